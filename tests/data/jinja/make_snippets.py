"""Writes snippets.json: small templates with what jinja2 3.1 makes of them, set up as Hugging Face transformers does.

    python3 make_snippets.py        (needs jinja2 3.1.6)

Each entry is [template, expected text], or [template, null] where jinja2 raises an error, at parse or later.
"""

import copy
import datetime
import itertools
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox

CONTEXT = {
    "s": "hello world",
    "u": "Grüße, Ωμέγα ΣΟΦΟΣ ß ŉ 日本語 🎉",
    "ws": "  \t padded\n text \u3000\n",
    "lines": "one\n\ntwo\r\nthree",
    "html": "<a href=\"x\">Tom & 'Jerry'</a>",
    "empty": "",
    "n": 7,
    "neg": -13,
    "big": 18446744073709551615,
    "f": 2.5,
    "tiny": 1e-07,
    "huge": 1e22,
    "yes": True,
    "no": False,
    "nil": None,
    "l": [3, 1, 2],
    "words": ["banana", "Apple", "cherry", "apple"],
    "mixed": [1, "a", None, True, 2.5, [1, 2], {"k": "v"}],
    "d": {"b": 1, "a": [1, {"x": None}], "C": "text", "items": "shadowed"},
    "people": [
        {"name": "Ann", "age": 31, "tags": ["x", "y"], "address": {"city": "Rome"}},
        {"name": "bob", "age": 25, "tags": [], "address": {"city": "Oslo"}},
        {"name": "Cid", "age": 31, "tags": ["z"], "address": {"city": "rome"}},
    ],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "<think>hm</think>Hello"},
    ],
}


def environment():
    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("render"), [], [], body).set_lineno(line)

        def render(self, caller):
            return caller()

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: datetime.datetime(2025, 3, 9, 14, 5, 6).strftime(format)
    return env


def expressions():
    """Expressions, one to an output tag."""
    values = ["s", "u", "ws", "empty", "n", "neg", "big", "f", "tiny", "huge", "yes", "no", "nil", "l", "words", "mixed",
              "d", "people", "missing", "(1, 2)", "(1,)", "()", "{}", "[]", "range(4)", "'it\\'s \"q\"'", "html"]
    plain_filters = ["abs", "capitalize", "count", "default('D')", "d('D', true)", "e", "first", "float",
                     "int", "items|list", "join", "join('-')", "last", "length", "list", "lower", "max",
                     "min", "reverse|list", "safe", "sort", "string", "sum", "title", "tojson", "trim",
                     "unique|list", "upper", "dictsort", "indent", "string|length", "tojson(indent=2)",
                     "select|list", "reject|list", "map('string')|list", "replace('l', 'L')"]
    tests = ["boolean", "callable", "defined", "divisibleby(3)", "eq(7)", "even", "false", "float", "ge(3)",
             "gt(3)", "in([7, 'a', none])", "integer", "iterable", "le(3)", "lower", "lt(3)", "mapping",
             "ne(7)", "none", "number", "odd", "sameas(true)", "sequence", "string", "true", "undefined",
             "upper"]
    for value, filter in itertools.product(values, plain_filters):
        yield f"{value}|{filter}"
    for value, test in itertools.product(values, tests):
        yield f"{value} is {test}"
    for value in values:
        yield from (value, f"not {value}", f"{value} ~ '!'", f"[{value}, ({value},)]", f"{value} or 'else'", f"{value} and 'then'",
                    f"{value} == {value}", f"'a' in {value}", f"{value}[0]", f"{value}[-1]", f"{value}['a']", f"{value}.a",
                    f"{value}[1:]", f"{value}[::-1]", f"-{value}", f"{value} + 1", f"{value} + 'x'", f"{value} * 2", f"{value}()",
                    f"{value} < 3", f"'{{}}'.format({value})", f"{value}.nothing.more")
    operators = ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "~", "and", "or"]
    operands = ["7", "-3", "2.5", "-0.5", "0", "true", "'ab'", "'b'", "[1, 2]", "(1, 2)", "none", "{'b': 1}", "missing", "1e300"]
    for left, op, right in itertools.product(operands, operators, operands):
        if op != "%" or left[0] != "'":  # a string does not format with %
            yield f"{left} {op} {right}"


METHODS = r"""
s.upper() | s.title() | s.capitalize() | u.upper() | u.lower() | u.title() | u.capitalize()
s.split() | s.split('o') | s.split('o', 1) | s.split(None, 1) | ws.split() | ws.split(None, 1) | ws.split(maxsplit=1) | ws.rsplit(None, 1) | s.rsplit('o', 1)
s.split('') | s.split('xyz') | ''.split() | ''.split('a') | 'aXbXc'.split('X', 0) | 'aXbXc'.rsplit('X') | 'a,b,,c,'.split(',') | s.split(sep='l', maxsplit=2)
ws.strip() | ws.lstrip() | ws.rstrip() | 'xxhixx'.strip('x') | 'xyhiyx'.strip('xy') | 'éaé'.strip('é') | s.strip(none) | 'aaa'.strip('a') | s.lstrip('hel') | s.rstrip('dl')
s.startswith('hell') | s.startswith(('x', 'he')) | s.startswith('llo', 2) | s.endswith('ld') | s.endswith(('a', 'd')) | s.endswith('lo', 0, 5) | s.startswith(['h']) | s.startswith('') | s.startswith('', 20)
s.replace('l', 'LL') | s.replace('l', 'LL', 2) | s.replace('', '-') | u.replace('', '.', 3) | s.replace('l', '', 1) | s.replace('o') | s.replace('l', 1)
s.find('o') | s.find('o', 5) | s.rfind('o') | s.find('zz') | s.index('o') | s.index('zz') | s.rindex('l') | u.find('日') | s.find('o', -3) | s.find('', 3) | s.find('', 30) | s.rfind('', 2)
s.count('l') | s.count('') | s.count('lo') | s.count('l', 4) | 'aaaa'.count('aa')
lines.splitlines() | lines.splitlines(true) | ''.splitlines() | 'a\n'.splitlines() | 'a\x0bb\x0cc\x1cd\x85e\u2028f'.splitlines()
s.partition('o') | s.rpartition('o') | s.partition('zz') | s.rpartition('zz') | s.partition('')
s.removeprefix('hello ') | s.removesuffix('world') | s.removeprefix('zz')
'-'.join(['a', 'b']) | '-'.join('abc') | '-'.join([1]) | ', '.join(words) | ''.join([]) | '-'.join(d) | ','.join(words|map('upper'))
'abc'.isalpha() | 'ab1'.isalnum() | '12'.isdigit() | ''.isdigit() | ' \t'.isspace() | 'AB'.isupper() | 'ab1'.islower() | '1'.islower() | 'ǅ'.isupper()
'aǅ'.islower() | 'Aǅ'.isupper() | '²'.isdigit() | '½'.isdigit() | '٣²½a'.isalnum() | 'e\u0301'.isalpha() | 'ªa'.islower() | 'ⅷⅷ'.islower() | 'Ⅷ'.isalpha() | 'ΑΣ\u0301 ΑΣ\u0301Α Σ ΑΣ.Α \u0301Σ'.lower() | 'ﬁx ŉa ᾳβ ΐ ǆ ა ß'.title() | 'ﬁx ŉa ᾳβ ΐ ǆ ა ß'.upper() | 'ᾼ İI ẞ Ⅷ'.lower() | 'ᾳΣ'.capitalize() | "o'neil ⅷa".title() | éx is defined | ٣ | ²
'{} {}'.format(1, 'b') | '{1}{0}'.format(1, 2) | '{a}-{b}'.format(a=1, b=none) | '{{}}'.format() | '{}'.format() | '{'.format() | '}'.format()
d.items()|list | d.items() | d.keys() | d.values() | d['items'] | d.get('a') | d.get('zz') | d.get('zz', 3) | d.get([1]) | d.keys()|list | d.values()|list | d.items()[0] | d.keys()|length | 'a' in d.keys() | ('b', 1) in d.items() | d.pop | d.pop('a') | d.update({}) | d.setdefault('a', 1) | d.clear() | d|length | d.nothing | d._x | d['_x'] | d.__class__
l.append(1) | l.append | l.append is defined | l.sort() | l.reverse() | l.pop() | l.insert(0, 1) | l.extend([1]) | l._x | s.__len__ | s._x | l[1] | l[9] | l[-1] | l[true] | l[1.0] | l['0'] | l.0 | l.5 | s[0] | s[-1] | s[99] | u[-1] | people[0].name | people[0]['name'] | people[0].address.city | people.0.name
l[1:] | l[:1] | l[-2:] | l[::2] | l[::-1] | l[5:] | l[:-9] | s[2:5] | s[::-1] | s[::3] | u[-5:-2] | s[5:2] | l[::0] | l['a':] | (1,2,3)[1:] | range(10)[2:8:3] | range(10)[::-1] | nil[1:] | missing[1:] | d[1:] | n[1:] | s[none:3] | s[-100:100] | s[3:-3:2] | s[-3:3:-2]
"""

FILTERS = r"""
words|sort | words|sort(true) | words|sort(reverse=true) | words|sort(case_sensitive=true) | people|sort(attribute='age')|map(attribute='name')|list | people|sort(attribute='age,name')|map(attribute='name')|list | people|sort(attribute='address.city', reverse=true)|map(attribute='name')|list | mixed|sort | [true, 2, 0.5]|sort | [[2], [1, 5], [1]]|sort | ['b', 'a']|sort|first
words|unique|list | words|unique(true)|list | people|unique(attribute='age')|map(attribute='name')|list | [1, 1.0, true, '1']|unique|list | [[1]]|unique|list
words|min | words|max | words|min(true) | [3, 1.5]|min | []|max | people|max(attribute='age') | [1, 'a']|max | [2, 2.0]|max
people|map(attribute='name')|join(', ') | people|join('; ', attribute='name') | people|map(attribute='address.city')|list | people|map(attribute='tags.0')|list | people|map(attribute='tags.0', default='none')|list | people|map(attribute='zz')|list | words|map('upper')|list | words|map('replace', 'a', 'A')|list | words|map('nosuch')|list | words|map|list | words|map(attribute='zz', wrong=1)|list | [1, 2]|map('string')|join | missing|map('upper')|list | words|map(name='upper')|list
people|selectattr('age', 'gt', 30)|map(attribute='name')|list | people|selectattr('tags')|list|length | people|rejectattr('tags')|map(attribute='name')|list | people|selectattr('address.city', 'equalto', 'Rome')|list|length | people|selectattr('zz', 'defined')|list | people|rejectattr('zz', 'defined')|list|length | people|selectattr|list | l|select('odd')|list | l|reject('odd')|list | l|select('>', 1)|list | l|select('in', [1, 2])|list | mixed|select|list | mixed|reject('none')|list | mixed|select('string')|list | l|select('nosuch')|list | missing|select|list | messages|selectattr('role', '==', 'user')|first | messages|rejectattr('role', 'in', ['user', 'system'])|map(attribute='role')|list
d|dictsort | {'b': 2, 'A': 1, 'c': 0}|dictsort | {'b': 2, 'A': 1}|dictsort(true) | {'b': 2, 'A': 3}|dictsort(by='value') | {'b': 2, 'A': 3}|dictsort(by='value', reverse=true) | {'b': 2}|dictsort(by='x') | {'b': 2, 'a': 'x'}|dictsort(false, 'value') | d|items|list | l|items|list
l|sum | l|sum(start=10) | people|sum(attribute='age') | [[1], [2]]|sum(start=[]) | ['a']|sum | ['a']|sum(start='') | []|sum | [0.1, 0.2]|sum | people|sum('age', 1)
'42'|int | '42.9'|int | 'x'|int | 'x'|int(5) | '0x1f'|int(base=16) | '1f'|int(0, 16) | '101'|int(base=2) | '0b11'|int(0, 0) | ' 7 '|int | '1_000'|int | '1__0'|int | '-5'|int | 3.99|int | -3.99|int | none|int | none|int(4) | [1]|int | true|int | '1e3'|int | 'inf'|int | 'nan'|int | '+3'|int | ''|int | '010'|int | '010'|int(0, 0) | '日'|int | '3.5'|float | 'x'|float | 'x'|float(1.5) | ' 2 '|float | '1e5'|float | 'inf'|float | '-Infinity'|float | 'nan'|float | '.5'|float | '5.'|float | '1_0.5'|float | '1e999'|float | '1e-999'|float | none|float | true|float | '0x10'|float | '--1'|float
3|abs | -3.5|abs | 'a'|abs | true|abs | -7|abs|string
ws|trim | 'xxhixx'|trim('x') | 'ab'|trim(chars='a') | 7|trim | s|trim('') | nil|trim
lines|indent | lines|indent(2) | lines|indent(2, true) | lines|indent(2, true, true) | lines|indent(width='> ') | lines|indent(first=true) | 'a\n'|indent | ''|indent(2, true) | '\n'|indent(2, true, true) | 7|indent | 'a\nb'|indent(-1)
html|e | html|escape|e | html|safe|e | ('<'|safe) + '<' | '<' + ('<'|safe) | ('<'|e) ~ '<' | ('<'|e)|upper + '<' | (html|e)|length | [html|e] | ('a'|safe) * 2 + '<' | ['<'|e, '<']|join('<') | ('<'|safe).join(['a', '<']) is string | 'x'|e|tojson
s|replace('l', 'L') | s|replace('l', 'L', 1) | 77|replace(7, 8) | s|replace('', '-') | s|replace('o') | html|replace('<', '&lt;')
'hello-world (foo) [bar] {baz} <qux>'|title | "it's o'clock"|title | 'HELLO'|title | 'ßa éa'|title | 'a1b c'|title | ''|title | 'FOO bar'|capitalize | 'ßA'|capitalize | 'ǆ'|capitalize
[]|first | []|last | 'abc'|first | 'abc'|last | ''|first | ''|last | d|first | d|last | (1, 2)|last | l|map('string')|first | l|map('string')|last | range(3)|last | missing|first | missing|last | 5|last
'abc'|reverse | l|reverse|list | l|reverse | d|reverse|list | l|map('string')|reverse | 5|reverse | range(3)|reverse|list | missing|reverse|list
d|tojson | d|tojson(indent=4) | mixed|tojson | u|tojson | u|tojson(ensure_ascii=true) | '\x00\x1f\x7f\b\f\n\r\t"\\/'|tojson | '\x7f🎉'|tojson(true) | {'b': 1, 'a': 2}|tojson(sort_keys=true) | {'b': 1, 1: 2}|tojson(sort_keys=true) | l|tojson(separators=(',', ':')) | d|tojson(separators=(',', ':')) | {1: 'a', none: 'b', true: 'c', 2.5: 'd'}|tojson | {(1, 2): 3}|tojson | (1, (2,))|tojson | []|tojson(indent=2) | [[]]|tojson(indent=2) | {'a': []}|tojson(indent=2) | {'a': {}}|tojson(indent=1) | [1]|tojson(indent=0) | [1, 2]|tojson(indent='--') | [1]|tojson(indent=true) | missing|tojson | range(3)|tojson | d.items()|tojson | tiny|tojson | huge|tojson | big|tojson | 1.0|tojson | 'inf'|float|tojson | [nil, yes, no]|tojson | namespace(a=1)|tojson | l|map('string')|tojson | people|tojson(indent=2) | {'a': 1}|tojson(indent=2, separators=(',', '=')) | '\u2028'|tojson | [1, 2]|tojson(none) | [1]|tojson(false, none)
s|list | d|list | 5|list | range(3)|list | (1, 2)|list | missing|list | l|map('string')|list | u|list
s|length | u|length | 5|length | l|map('string')|length | range(5)|length | d.items()|length | nil|length | true|count
missing|default('a') | nil|default('a') | nil|default('a', true) | ''|d('a', boolean=true) | missing|default | d.zz|default('q') | missing.zz|default('q') | 0|d(5, true) | (missing|default([]))|length
1 if yes | 1 if no | 1 if no else 2 | 1 if yes else missing.zz | (1 if no) is defined | 'a' if no else 'b' if no else 'c' | (1 if yes else 2) + 1 | [1 if no else 2, 3] | ('x' if no)|default('y')
1 < 2 < 3 | 1 < 3 < 2 | 3 > 2 == 2 | 1 == 1.0 | 1 == true | 'a' < 'b' | 'é' > 'z' | [1, 2] < [1, 3] | (1, 2) < (1,) | 'a' < 1 | none < 1 | 1 in [1.0] | 'ell' in s | 5 in s | 'b' in d | [1] in d | 1 in 5 | not 1 in [1] | 1 not in [1] | none == none | missing == missing | missing == none | [] == () | {} == {} | {'a': 1, 'b': 2} == {'b': 2, 'a': 1} | range(3) == range(0, 3, 1) | 2 ** 3 ** 2 | -2 ** 2 | 7 // -2 | -7 % 3 | 7.5 // 2 | -7.5 % 2 | 1 / 0 | 1 // 0 | 1 % 0 | 2 ** -1 | 2 ** 0.5 | 0 ** -1 | 1 / 3 | 10 / 5 | 1e3 | 1.5e-3 | 1_000 | 0x1F | 0b101 | 0o17 | 1_0.5 | 012 | 1.0 | 100000000000000000000.0 | 1e16 | 1e15 | 123456789012345.6 | 0.0001 | 0.00001 | -0.0 | 3.0 * 2 | 7 % 2.5 | 2 ** 100 | big + 1 | -big | big * 1000000000000000000 | 5 - 3 - 1 | 2 + 3 * 4 | (2 + 3) * 4 | 1 ~ 2 + 3 | 'a' ~ 1 * 2 ~ none | +3 | - -3 | +true | -true | not not 1 | 'a' 'b' "c" | [1, 2,] | (1,) | {'a': 1,} | {1: 2}[1] | {1: 2}[true] | {'a': {'b': [1, 2]}}.a.b[1] | [[1, 2], [3]][0][1] | 'x' * 3 | 3 * 'x' | [0] * 2 | (1,) * 2 | 'x' * -1 | [1] + [2] | (1,) + (2,) | [1] + (2,) | 'a' + 1 | yes + yes | nil + 1 | true and none | none or 0 | 0 or '' or 'z' | 1 and 2 | missing or 'd' | missing and 'd'
n is divisibleby 7 | n is divisibleby(2) | n is not none | n is defined and n is number | n is not string | 'a' is in 'abc' | 1 is in [2] | n is eq 7 | n is sameas n | no is sameas false | n is nosuch | 'X' is upper | n is odd or no | n is number is string | 'a' is string ~ 'b' | l is iterable and l is not string and l is not mapping | range(2) is sequence | d.items() is sequence | d.items is callable | range is callable | missing is callable | namespace() is mapping | n is number if yes else 3 | n is divisibleby n - 6 | 5 is lt 6 | s is eq 'hello world' | missing.zz is defined | d.zz is defined | d['zz'] is not defined | d.zz.y is defined | 3.0 is odd | 'a' is odd | true is number | true is integer | [] is sequence
range(5)|list | range(1, 4)|list | range(5, 0, -2)|list | range(0) | range(3) | range(1, 9, 3) | range(3, 0)|list | range(1, 2, 0) | range('a') | range() | range(100000)|length | range(100001) | range(2.5) | range(3)[1] | range(3)[9] | 2 in range(3) | dict(a=1, b=2) | dict([('a', 1), ['b', 2]]) | dict({'a': 1}, b=2) | dict() | dict([1]) | dict(**{'x': 1}) | namespace(a=1).a | namespace(a=1).b | namespace(a=1) | namespace({'a': 2}).a | namespace(a=1)['a'] | strftime_now('%Y-%m-%d %H:%M:%S') | strftime_now('%d %b %Y, %A') | strftime_now('') | raise_exception('boom') | raise_exception() | nosuch() | n() | s.upper | (s.upper)() | 'upper' in s | [1, 2, 3]|first|string|length
'\n\t\\\'\"' | "\x41\u00e9\U0001F389\101" | '\q' | '\0' | 'a\
b' | "it's" | 'say "hi"' | ['a\'b', "a\"b", 'a\'"b'] | ['\n\t\\', '\x00\x7f\xa0\u200b', 'é', '\u3000', '🎉'] | [1.0, 1e100, -0.0, none, true, missing] | {'a': missing} | [html|safe] | {'k': (1, [2.50])} | '\x' | '\u12' | '\N{DASH}' | [range(2)] | 'tab	raw'
"""

TEMPLATES = r"""
a{% if yes %}b{% endif %}c
====
a
{% if yes %}
  b
{% endif %}
c
====
  {% if yes %}x{% endif %}  
====
a   {%- if yes -%}   b   {%- endif -%}   c
====
a
   {%+ if yes %}b{% endif +%}
c
====
{% if yes -%}

  b

{%- endif %}
d

====
x {# comment #} y
====
x
  {# comment #}
y
====
x {#- comment -#} y
====
x
  {#+ comment +#}
y
====
{# multi
line #}
after
====
{{ 'a' -}}   b {{- 'c' }}
d
====
{{ 'a' }}
{{ 'b' }}

====
  {{ 'keeps' }}
  {{- 'strips' }}
====
{% raw %}{{ not }} {% if %} {# a #}{% endraw %}!
====
{% raw -%}
   x
{%- endraw %} y
====
a
  {% raw %}
 b
  {% endraw %}
c
====
{%- raw -%}  {{ x }}  {%- endraw -%}  z
====
{% for i in l %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}
====
{% for i in l %}
  - {{ i }}
{% endfor %}
end
====
{% for i in [] %}x{% else %}none{% endfor %}
====
{% for i in l %}{% break %}{% else %}else{% endfor %}
====
{% for i in l %}{% continue %}{% else %}else{% endfor %}
====
{% for i in l %}{{ i }}{% if i == 1 %}{% break %}{% endif %}{% else %}else{% endfor %}
====
{% for i in range(6) %}{% if i is even %}{% continue %}{% endif %}{{ i }}{% endfor %}
====
{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}
====
{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }};{% endfor %}
====
{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
====
{% for i in l if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% endfor %}
====
{% for i in l if i > 5 %}x{% else %}none{% endfor %}
====
{% set ns = namespace(done=false) %}{% for i in [1, 2, 3] if not ns.done %}{{ i }}{% set ns.done = true %}{% endfor %}
====
{% set ns = namespace(done=false) %}{% for i in [1, 2, 3] if not ns.done %}{{ i }}{{ loop.last }}{% set ns.done = true %}{% endfor %}
====
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
====
{% for k in d %}{{ k }}{% endfor %}
====
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
====
{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}
====
{% for a, b in [1] %}{{ a }}{% endfor %}
====
{% for c in 'añ日' %}[{{ c }}]{% endfor %}
====
{% for i in missing %}x{% else %}empty{% endfor %}
====
{% for i in 5 %}x{% endfor %}
====
{% for i in none %}x{% endfor %}
====
{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}
====
{% for i in l %}{% set outer = loop %}{% for j in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
====
{% for m in [1] %}{{ loop([2]) }}{% endfor %}
====
{% for i in l %}{{ loop }}{% endfor %}{{ loop is defined }}
====
{% for i in 1, 2, 3 %}{{ i }}{% endfor %}
====
{% for i in l if i > 1 if i < 3 %}{{ i }}{% endfor %}
====
{% for i in l|map('string') %}{{ loop.length }}{{ i }}{% endfor %}
====
{% for i in (l if yes else []) %}{{ i }}{% endfor %}
====
{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }}
====
{% set x = 0 %}{% for i in l %}{% set x = x + i %}{{ x }}{% endfor %}|{{ x }}
====
{% set x = 0 %}{% if yes %}{% set x = 5 %}{% endif %}{{ x }}
====
{% for i in l %}{% set y = i %}{% endfor %}{{ y is defined }}
====
{% for i in l %}{{ y is defined }}{% set y = i %}{% endfor %}
====
{% set ns = namespace(t=0) %}{% for i in l %}{% set ns.t = ns.t + i %}{% endfor %}{{ ns.t }}
====
{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.a = 2 %}{% set ns.b = ns.a %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}
====
{% set x.y = 1 %}
====
{% set d.y = 1 %}
====
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}
====
{% set (a, b) = [1, 2] %}{{ a }}{{ b }}
====
{% set a, b = 1 %}
====
{% set a, b = 1, 2, 3 %}
====
{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}
====
{% set x = 1, 2 %}{{ x }}
====
{% set x %}block {{ n }}{% endset %}[{{ x }}]
====
{% set x | upper | replace('L', 'l') %}hello {{ s }}{% endset %}[{{ x }}]
====
{% set x %}{% set inner = 1 %}a{% endset %}{{ x }}{{ inner is defined }}
====
{% set ns = namespace() %}{% set ns.x %}blk{% endset %}{{ ns.x }}
====
{% set true = 1 %}
====
{% set none = 1 %}
====
{% set 'a' = 1 %}
====
{% set [a, b] = [1, 2] %}
====
{% set messages = messages[1:] %}{{ messages|length }}
====
{% set n = n + 1 %}{{ n }}
====
{% if no %}{% set n = 1 %}{% endif %}{{ n }}
====
{% if n == 7 %}a{% elif n == 8 %}b{% else %}c{% endif %}
====
{% if no %}a{% elif nil %}b{% elif l %}c{% else %}d{% endif %}
====
{% if missing %}a{% else %}b{% endif %}
====
{% if missing.x %}a{% endif %}
====
{% if n > 5 and s and not no %}ok{% endif %}
====
{% if yes: %}a{% endif %}
====
{% if 1, 0 %}tuple{% endif %}
====
{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c=4) }} {{ m() }}
====
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
====
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
====
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
====
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}
====
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
====
{% macro m(a, b) %}{{ a }}{{ b is defined }}{% endmacro %}{{ m(1) }}
====
{% macro m(a=1, b) %}{% endmacro %}
====
{% macro m() %}{{ caller() }}!{% endmacro %}{% call m() %}hi {{ n }}{% endcall %}
====
{% macro m() %}{{ caller(1, 2) }}!{% endmacro %}{% call(a, b) m() %}{{ a + b }}{% endcall %}
====
{% macro m() %}x{% endmacro %}{% call m() %}hi{% endcall %}
====
{% macro m() %}{{ caller is defined }}{{ caller() }}{% endmacro %}{{ m() }}
====
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}
====
{% macro fact(k) %}{% if k < 2 %}1{% else %}{{ k * fact(k - 1)|int }}{% endif %}{% endmacro %}{{ fact(10) }}
====
{% macro m() %}{% set z = 1 %}{{ z }}{% endmacro %}{{ m() }}{{ z is defined }}
====
{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}
====
{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
====
{% macro m(x) %}[{{ x }}]{% endmacro %}{{ l|map('string')|map('upper')|join }}{{ m(l) }}{{ m is callable }}{{ m(1)|length }}
====
{% macro m(x) -%}
    [{{ x }}]
{%- endmacro %}
{{ m(1) }}
{{ m(2) }}
====
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(*[1]) }}{{ m(**{'a': 2}) }}{{ m(*(3,), **{}) }}
====
{% filter upper %}hello {{ s }}{% endfilter %}
====
{% filter replace('l', 'L') | trim %}  hello {{ s }} {% endfilter %}!
====
{% filter upper %}{% set q = 1 %}a{% endfilter %}{{ q is defined }}
====
{% for i in l %}{% filter string %}{{ i }}{% break %}{% endfilter %}{% endfor %}|
====
{% for i in l %}{% set x %}{{ i }}{% continue %}{% endset %}{{ x }}{% endfor %}|
====
{% generation %}{{ s }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}
====
{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}
====
{% for i in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
====
{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
====
{% break %}
====
{% if yes %}{% continue %}{% endif %}
====
{{ raise_exception('bad ' ~ 'thing') }}
====
{% if messages[0].role != 'system' %}{{ raise_exception('x') }}{% endif %}ok
====
{% set g = l|map('string') %}{{ g|join }}|{{ g|join }}
====
{% set g = l|map('abs') %}{{ g|first }}{{ g|list }}
====
{% set g = ['a', 1]|map('abs') %}lazy
====
{{ [1, 'a']|map('abs')|first }}
====
{{ s
====
{% if yes %}
====
{% if yes %}{% endfor %}
====
{% endif %}
====
{% nosuch %}
====
{{ }}
====
{% %}
====
{{ 'a }}
====
{{ (1 }}
====
{{ 1) }}
====
{{ [1} }}
====
{# open
====
{% raw %} open
====
{{ a b }}
====
{{ s|nosuch }}
====
{{ n is nosuch }}
====
{{ n $ 1 }}
====
{{ s| }}
====
{{ s. }}
====
{{ s[] }}
====
{{ f(a=1, 2) }}
====
{{ f(a=1, a=2) }}
====
{{ 1 if }}
====
{% for %}{% endfor %}
====
{% for i l %}{% endfor %}
====
{% set %}
====
{% macro %}{% endmacro %}
====
{% include 'x' %}
====
{% import 'x' as y %}
====
{% extends 'x' %}
====
{{ not }}
====
{{ {'a' 1} }}
====
{{ '{%' }}{{ "}}" }}{{ '%}' }}
====
{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': {}} }}
====
{%if yes%}tight{%endif%}{{n}}{{-n-}} x
====
{{- n -}}
====
{{ -n }}{{- -n }}
====
{ { % } %} }} #}
====
{{ 1 }}{
====
{
====
{{ 1.5.x is defined }}
====
{%- set ns = namespace(system='') -%}
{%- for m in messages if m.role == 'system' -%}
  {%- set ns.system = ns.system + ('\n\n' if ns.system else '') + m.content -%}
{%- endfor -%}
{{ ns.system }}
====
{% for message in messages %}{{'<|' + message['role'] + '|>' + message['content'].split('</think>')[-1] + '\n'}}{% endfor %}
====
{%- for m in messages[::-1] %}{{ loop.index0 }}{{ m.role[0]|upper }}{% endfor %}
====
{% set content = messages[2].content %}{% if '</think>' in content %}{% set reasoning = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{{ reasoning }}|{{ content.split('</think>')[-1].lstrip('\n') }}{% endif %}
====
{%- macro render(v, depth=0) -%}
{%- if v is mapping -%}{ {%- for k, w in v|dictsort %}{{ '  ' * depth }}{{ k }}: {{ render(w, depth + 1) }};{% endfor -%} }
{%- elif v is string -%}"{{ v }}"
{%- elif v is iterable -%}[{%- for w in v %}{{ render(w, depth + 1) }},{% endfor -%}]
{%- else -%}{{ v }}{%- endif -%}
{%- endmacro -%}
{{ render({'b': [1, 'x', {'c': none}], 'a': true}) }}
"""


def templates():
    for expression in expressions():
        yield "{{ " + expression + " }}"
    for block in (METHODS, FILTERS):
        for line in block.strip().replace("\\\nb'", "\\\0b'").split("\n"):
            for expression in line.replace("\0", "\n").split(" | "):
                yield "{{ " + expression + " }}"
    yield from (t for t in TEMPLATES.strip("\n").split("\n====\n"))
    # Line ends and ends of templates.
    yield from ("{% if no %}{{ s|nosuch }}{% endif %}ok", "{% if yes %}{{ s|nosuch }}{% endif %}", "{{ s|nosuch if no else 1 }}", "{{ 1 if s is nosuch else 2 }}", "{% if no %}{% for i in l %}{{ i|nosuch }}{% endfor %}{% endif %}", "{% for i in l %}{% if no %}{{ i|nosuch }}{% endif %}{% endfor %}ok", "{% if no and s|nosuch %}{% endif %}ok", "{% if no %}{% set x = s|nosuch %}{% endif %}ok", "{% set x = s is nosuch %}", "{% if no %}{% for i in l|nosuch %}{% endfor %}{% endif %}ok")
    yield from ("a\r\nb\rc\n", "a\n\n", "\n", "", "{% if yes %}\r\nx\r\n{% endif %}\r\n", "{{ 'a\r\nb' }}", "a\n  {% if yes %}\n\tb\n  {% endif %}  \n")


def main():
    env = environment()
    seen, entries = set(), []
    for template in templates():
        if template in seen:
            continue
        seen.add(template)
        try:
            # A copy: the filter `indent` adds to a list that it is given before it fails.
            text = env.from_string(template).render(**copy.deepcopy(CONTEXT))
            text.encode()
        except Exception:
            text = None
        # Left out: addresses, which differ from run to run; complex numbers; and slices of {}, which jinja2 works out
        # otherwise when it can do so ahead of time.
        if text is not None and (" at 0x" in text or "j)" in text or template.startswith("{{ {}[")):
            continue
        entries.append([template, text])
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    out = '{"context": ' + json.dumps(CONTEXT, ensure_ascii=False) + ',\n"snippets": [\n' + lines + "\n]}\n"
    pathlib.Path(__file__).with_name("snippets.json").write_text(out)
    print(len(entries), "snippets,", sum(text is None for _, text in entries), "errors")


main()

#!/usr/bin/env python3
"""Writes sources of kernels with all their mutants in them: a number says at run time which of them is alive.

mutate.py FROM TO FILE...: the files of FROM, changed, into TO, and TO/mutants.inc with a line for each mutant.
A mutant leaves out a barrier, a check or a fused rounding, or takes a condition for true or for false.
"""
import pathlib
import re
import sys

SITE = re.compile(r"(?P<barrier>__sync(threads|warp)\(\);)|(?P<check>DEVICE_CHECK\()|(?P<fused>\bfmaf\()|(?P<condition>\bif \()|(?P<comment>//[^\n]*)")


def closing(text, at):
    """Where the parenthesis that opens before `at` is closed."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at - 1


class Mutants:
    def __init__(self):
        self.table = []

    def add(self, file, line, what):
        self.table.append((file, line, " ".join(what.split())))
        return f"MUTANT({len(self.table)})"

    def of(self, file, text):
        """The text with its mutants in it."""
        pieces, end = [], 0
        for site in SITE.finditer(text):
            if site["comment"] or site.start() < end:
                continue
            line = text.count("\n", 0, site.start()) + 1
            pieces.append(text[end:site.start()])
            end = site.end()
            if site["barrier"]:
                pieces.append(f"if (!{self.add(file, line, 'no ' + site['barrier'])}) {site['barrier']}")
            elif site["fused"]:
                pieces.append(f"emulated::fused_unless({self.add(file, line, 'rounded twice: ' + text[end:closing(text, end)])}, ")
            else:
                close = closing(text, end)
                condition = text[end:close]
                always = self.add(file, line, f"true: {condition}")
                if site["check"]:
                    pieces.append(f"DEVICE_CHECK({always} || ({condition}))")
                    close += 1
                else:
                    never = self.add(file, line, f"false: {condition}")
                    pieces.append(f"if ({always} || (!{never} && ({condition})))")
                    close += 1
                end = close
        return "".join(pieces) + text[end:]


def main(source, target, *files):
    mutants = Mutants()
    for file in files:
        to = pathlib.Path(target, file)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(mutants.of(file, pathlib.Path(source, file).read_text()))
    lines = ["{%d, \"%s\", %d, R\"(%s)\"},\n" % (i + 1, *mutant) for i, mutant in enumerate(mutants.table)]
    pathlib.Path(target, "mutants.inc").write_text("".join(lines))


main(*sys.argv[1:])

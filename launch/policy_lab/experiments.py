"""Experiments as a TOML file says them; example.toml beside this file shows all that there is."""
import dataclasses
import pathlib
import tomllib

from figures import FIGURES, PLOTTED, TOLD

PATHS = ("trace", "steps", "profiles")  # flags whose values are relative to the file


class BadFile(Exception):
    """What is wrong, and where."""


@dataclasses.dataclass
class Experiment:
    name: str
    note: str
    flags: dict
    layouts: dict  # flags by name
    policies: list  # a name, and options KEY=VALUE behind it
    rates: list
    of_capacity: str  # the policy whose capacity rates are parts of; empty: of the arrivals' own rate
    capacities: bool
    seeds: int
    figures: list
    plots: list


def read(path):
    """Title and experiments of a file."""
    try:
        return parse(path.read_text(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path}: cannot be read: {error}") from error


def parse(text, path):
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadFile(f"{path}: no TOML: {error}") from error
    top = Table(tables, f"{path}: ", pathlib.Path(path).parent)
    title, shared = top.text("title", "Policies"), top.flags("flags")
    experiments = [experiment_of(Table(each, f"{path}: experiment {number}: ", top.folder), shared)
                   for number, each in enumerate(top.tables("experiment"), 1)]
    top.check_all_read()
    names = [each.name for each in experiments]
    for name in names:
        if names.count(name) > 1:
            raise BadFile(f"{path}: two experiments are called '{name}'")
    return title, experiments


def experiment_of(table, shared):
    experiment = Experiment(
        name=table.text("name"), note=table.text("note", ""), flags=shared | table.flags("flags"),
        layouts=table.layouts("layouts"), policies=table.texts("policies"), rates=table.rates("rates"),
        of_capacity=table.text("of-capacity", ""), capacities=table.boolean("capacities"), seeds=table.seeds("seeds"),
        figures=table.figures("figures", TOLD), plots=table.figures("plots", PLOTTED))
    table.check_all_read()
    return experiment


class Table:
    """Takes values out of a table, and says where one is not what it should be."""

    def __init__(self, values, where, folder):
        self.values, self.where, self.folder, self.known = values, where, folder, []

    def fail(self, key, wanted):
        found = f", not {self.values[key]!r}" if key in self.values else ""
        raise BadFile(f"{self.where}{key} must be {wanted}{found}")

    def take(self, key, kind, wanted, unset=None):
        self.known.append(key)
        value = self.values.get(key, unset)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fail(key, wanted)
        return value

    def check_all_read(self):
        for key in self.values:
            if key not in self.known:
                raise BadFile(f"{self.where}{key} is not known; known are {', '.join(self.known)}")

    def text(self, key, unset=None):
        return self.take(key, str, "a text", unset)

    def boolean(self, key):
        return self.take(key, bool, "true or false", False)

    def tables(self, key):
        tables = self.take(key, list, f"one or more tables [[{key}]]")
        if not tables or not all(isinstance(each, dict) for each in tables):
            self.fail(key, f"one or more tables [[{key}]]")
        return tables

    def texts(self, key):
        wanted = "a list of one or more names, each once"
        texts = self.take(key, list, wanted)
        if not texts or not all(isinstance(each, str) and each.split() for each in texts) or len(set(texts)) < len(texts):
            self.fail(key, wanted)
        return texts

    def rates(self, key):
        wanted = "a list of numbers above 0, ascending"
        rates = self.take(key, list, wanted, [1])
        if not rates or not all(type(each) in (int, float) and 0 < each < 1e6 for each in rates) or rates != sorted(set(rates)):
            self.fail(key, wanted)
        return rates

    def seeds(self, key):
        wanted = "a whole number from 1 to 1000"
        seeds = self.take(key, int, wanted, 1)
        if not 1 <= seeds <= 1000:
            self.fail(key, wanted)
        return seeds

    def figures(self, key, unset):
        keys = self.take(key, list, "a list of names", unset)
        for each in keys:
            if each not in FIGURES:
                raise BadFile(f"{self.where}{key}: '{each}' is none of {', '.join(FIGURES)}")
        return keys

    def flags(self, key):
        flags = dict(self.take(key, dict, "a table of flags", {}))
        for name, value in flags.items():
            if type(value) not in (str, int, float, bool):
                raise BadFile(f"{self.where}{key}: {name} must be a text, a number, true or false, not {value!r}")
            if name in PATHS:
                flags[name] = str((self.folder / str(value)).resolve())
        return flags

    def layouts(self, key):
        layouts = self.take(key, dict, "tables of flags by name", {"": {}})
        if not layouts:
            self.fail(key, "one or more tables of flags by name")
        table = Table(layouts, f"{self.where}{key}: ", self.folder)
        return {name: table.flags(name) for name in layouts}

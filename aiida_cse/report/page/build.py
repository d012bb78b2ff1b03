"""Build the page of findings: verdicts, figures, tables, methods, provenance and citations, in one file."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aiida_cse.report.figures.registry import Attempt, attempt, figures
from aiida_cse.report.figures.style import render
from aiida_cse.report.findings import Findings, Provenance, RunFindings
from aiida_cse.report.page.bibliography import bibtex
from aiida_cse.report.page.content import Picture, Section, Statement, Table, data_uri, smaller_svg
from aiida_cse.report.page.methods import Facts, analysis_facts, known, protocol_facts, recipe_facts
from aiida_cse.report.rows import Row, View
from aiida_cse.report.rows import Section as Rows
from aiida_cse.report.view import view_of
from aiida_cse.report.whole_files import write_whole
from aiida_cse.report.words import duration, unreadable
from aiida_cse.version import __version__

__all__ = ["FILENAME", "write_page"]

FILENAME = "report.html"
#: width at which figures are drawn, mm
WIDTH = 180.0
#: dots per inch of pictures
_DPI = 200
#: figures in the order in which they are read; those of other packages follow
_ORDER = (
    "snapshot",
    "density_profiles",
    "populations",
    "populations_in_time",
    "exchange",
    "looks",
    "correlation",
    "free_energy",
    "anion_free_energy",
    "charge_integral",
    "charge_integrals_shifted",
    "displacement_variance",
    "rates",
    "crossing",
    "transmission",
    "thermo",
)
#: by mark its style and its name for those who do not see it
_KINDS = {"✓": "passed", "✗": "failed", "–": "nothing"}
_WORDS = {"✓": "met:", "✗": "not met:", "–": "open:"}
#: rows of a table that is shown unasked
_MOST_ROWS = 40

Progress = Callable[[str], None]


def write_page(findings: Findings, path: Path, *, progress: Progress) -> Path:
    """Write the report of findings as one HTML page, which needs no other file and no network.

    Parameters
    ----------
    findings
        What is reported.
    path
        The file; it appears under its name only when it is complete.
    progress
        Called with what is being made, a few words each time.
    """
    progress("reading the results")
    view = view_of(findings)
    found = []
    order = {name: place for place, name in enumerate(_ORDER)}
    names = sorted(figures(), key=lambda name: order.get(name, len(order)))
    for number, name in enumerate(names, start=1):
        progress(f"drawing {name} ({number} of {len(names)})")
        found.append(attempt(figures()[name], findings, WIDTH))
    progress("writing the page")
    text = _render(view, findings, found)
    return write_whole(path, text.encode())


def _render(view: View, findings: Findings, found: Sequence[Attempt]) -> str:
    environment = Environment(
        loader=PackageLoader("aiida_cse.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    folder = Path(__file__).parent
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    style_hash, script_hash = (
        f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}" for text in (style, script)
    )
    facts = dict(view.facts)
    verdict = next((section for section in view.sections if section.title == "Verdict"), None)
    rows = () if verdict is None else verdict.rows
    verdicts = [
        [Statement(row.text, row.mark) for row in group] for _, group in groupby(rows, key=lambda row: row.run)
    ]
    return environment.get_template("page.html.j2").render(
        title=view.title,
        subtitle=" · ".join(facts[name] for name in ("state", "began") if facts.get(name)),
        headline=_headline(findings),
        verdicts=verdicts,
        sections=[section for section in _sections(view, findings, found) if section.filled],
        kinds=_KINDS,
        words=_WORDS,
        version=__version__,
        # the only text that is not escaped: two files of this package, allowed by their checksums
        style=Markup(style),
        script=Markup(script),
        style_hash=style_hash,
        script_hash=script_hash,
    )


def _sections(view: View, findings: Findings, found: Sequence[Attempt]) -> Iterator[Section]:
    """Yield the sections of the page in the order in which they are read."""
    apart = ("Verdict", "Stages", "Time")
    shown = [section for section in view.sections if section.title not in apart]
    stages, time = (
        [section for section in view.sections if section.title == title] for title in ("Stages", "Time")
    )
    joint = [one for one in shown if not one.headings and _is_table(one) and not any(row.run for row in one.rows)]
    yield Section(
        "conclusions",
        "Over all runs",
        statements=[one for section in shown if not _is_table(section) for one in _statements(section)],
        tables=[_joint_table(section) for section in joint],
    )
    yield Section("figures", "Figures", pictures=[_picture(one) for one in found if one.figure is not None])
    yield Section(
        "numbers",
        "Numbers",
        text="Each number with its interval, or the reason why there is none. The files contain all digits.",
        tables=[
            _cell_table(one, ("quantity", "run")) if one.headings else _run_table(one, view.runs)
            for one in shown
            if _is_table(one) and one not in joint
        ],
    )
    yield Section(
        "system", "System and recipe", facts=_facts(recipe_facts, findings.recipe) if findings.recipe else ()
    )
    yield Section(
        "protocol",
        "Protocol and sampling",
        facts=[*_facts(protocol_facts, findings), *_facts(analysis_facts, findings)],
        tables=[_cell_table(section, ("stage", "part")) for section in stages],
    )
    yield _unknown(findings, found)
    try:
        provenance, unknown = findings.provenance, ""
    except ValueError as error:
        provenance, unknown = Provenance(), str(error)
    yield _incidents(findings, provenance)
    yield _machines(provenance, [one for section in time for one in _statements(section)][1:])
    yield _provenance(view, findings, provenance, unknown)
    text = bibtex(provenance.citations)
    yield Section(
        "citations",
        "Citations",
        text="Please cite the program, the study whose protocol it automates, LAMMPS, AiiDA and the force fields."
        + ("" if provenance.citations else " The sources of the force field are not in these results."),
        code=("citations.bib", text, data_uri(text.encode(), "text/plain;charset=utf-8")),
    )


def _facts(facts: Callable[[Any], Facts], source: Any) -> list[tuple[str, str]]:
    """Return facts, or the reason why they cannot be read."""
    try:
        return list(known(facts(source)))
    except Exception as error:
        return [("not known", unreadable(error))]


# -- results -------------------------------------------------------------------------------------------------


def _headline(findings: Findings) -> str:
    """Return the verdict over all runs in a sentence."""
    checks = (findings.validation.get("checks") or {}).get("checks") or ()
    if checks:
        held = sum(bool(check.get("holds")) for check in checks)
        return f"{held} of {len(checks)} intervals contain the known value."
    judged = [run.equilibrated for run in findings.runs.values() if run.equilibrated is not None]
    if not judged:
        return "No run has a verdict."
    if len(judged) == 1:
        return f"The ions have {'equilibrated' if judged[0] else 'not equilibrated'} between the phases."
    return f"The ions have equilibrated between the phases in {sum(judged)} of {len(judged)} runs."


def _is_table(section: Rows) -> bool:
    return bool(section.headings) or any(row.quantity is not None for row in section.rows)


def _statements(section: Rows) -> Iterator[Statement]:
    yield Statement(section.title + (f" ({section.note})" if section.note else ""), heading=True)
    for row in section.rows:
        yield Statement(row.text if row.run else f"{row.name}: {row.text}", row.mark)


_NUMBER_HEADINGS = (
    "quantity", "unit", "run", "value", "low", "high", "standard error", "lower bound", "upper bound", "note",
    "reason", "source",
)  # fmt: skip


def _number_row(row: Row) -> list[Any]:
    found = row.quantity
    if found is None:
        return [row.name, "", row.run, row.text, *[None] * 7, row.source]
    low, high = found.interval or (None, None)
    numbers = (found.value, low, high, found.error, found.lower, found.upper)
    return [row.name, found.unit, row.run, *numbers, found.note, found.reason, row.source]


def _joint_table(section: Rows) -> Table:
    """Return the table of numbers that are not of one run, a row each; statements stand below it."""
    numbers = [row for row in section.rows if row.quantity is not None]
    return Table(
        _name(section.title),
        section.title,
        ("quantity", "value", "interval"),
        [(row.title, row.value_words, row.interval_words) for row in numbers],
        _NUMBER_HEADINGS,
        [_number_row(row) for row in section.rows],
        note=section.note,
        remarks=[Statement(f"{row.name}: {row.text}", row.mark) for row in section.rows if row.quantity is None],
    )


def _run_table(section: Rows, runs: Sequence[str]) -> Table:
    """Return the table of quantities with a column for each run."""
    by_quantity: dict[str, dict[str, Row]] = {}
    for row in section.rows:
        by_quantity.setdefault(row.title, {})[row.run] = row
    cells = {
        title: {label: (row.value_words or row.text, row.interval_words) for label, row in found.items()}
        for title, found in by_quantity.items()
    }
    missing = ("–", "not a result of this run")
    return Table(
        _name(section.title),
        section.title,
        ("quantity", *runs),
        [[title, *(found.get(label, missing) for label in runs)] for title, found in cells.items()],
        _NUMBER_HEADINGS,
        [_number_row(row) for row in section.rows],
        note=section.note,
    )


def _cell_table(section: Rows, names: tuple[str, str]) -> Table:
    """Return the table of a section whose rows have cells; ``names`` are the headings of row and run."""
    rows, plain = [], []
    for row in section.rows:
        found = row.cells or {}
        cells = [_cell(found.get(heading), form) for heading, form in section.headings.items()]
        name = f"{row.mark} {row.name}".strip()
        rows.append([(name, row.text) if row.text else name, row.run, *cells])
        plain.append([row.name, row.run, *(found.get(name) for name in section.headings), row.mark, row.text])
    return Table(
        _name(section.title),
        section.title,
        (*names, *section.headings),
        rows,
        (*names, *section.headings, "mark", "remark"),
        plain,
        note=section.note,
        folded=len(rows) > _MOST_ROWS,
    )


def _cell(value: Any, form: str) -> Any:
    try:
        return format(value, form) if isinstance(value, int | float) and form else value
    except OverflowError:
        # a whole number beyond those that a computer can divide
        return str(value)


def _name(title: str) -> str:
    """Return the title as the name of a file and a place in the page."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in title.lower()).split()
    return "-".join(words) or "table"


def _picture(found: Attempt) -> Picture:
    kind = found.kind
    assert found.figure is not None
    if kind.suffix == "svg":
        uri = data_uri(smaller_svg(render(found.figure, "svg", name=kind.name)), "image/svg+xml")
    else:
        uri = data_uri(render(found.figure, "png", name=kind.name, dpi=_DPI), "image/png")
    return Picture(kind.name, kind.title, found.caption, kind.paper, uri, kind.suffix)


# -- limits, machines, nodes -----------------------------------------------------------------------------------


def _unknown(findings: Findings, found: Sequence[Attempt]) -> Section:
    """Return what is missing: results by run, figures, with their reasons."""
    rows: dict[tuple[str, str], list[str]] = {}
    for label, run in findings.runs.items():
        for name, reason in run.missing.items():
            rows.setdefault((name.replace("_", " "), reason), []).append(label)
    tables = []
    if rows:
        cells = [(name, ", ".join(labels), reason) for (name, reason), labels in rows.items()]
        tables.append(Table("missing-results", "Results that are missing", ("result", "runs", "reason"), cells))
    if missing := [one for one in found if one.figure is None]:
        cells = [(one.kind.title, "", one.reason) for one in missing]
        tables.append(
            Table(
                "missing-figures",
                "Figures that are not drawn",
                ("figure", "reason"),
                [(a, c) for a, _, c in cells],
            )
        )
    limits = [
        "No run sees a process slower than itself that no ion has taken part in; runs from other starts would.",
        "Intervals hold for the model and the force field that were simulated, not for the material.",
    ]
    return Section(
        "unknown", "What is not known", statements=[Statement(one, "–") for one in limits], tables=tables
    )


def _incidents(findings: Findings, provenance: Provenance) -> Section:
    """Return recoveries, jobs that failed or were not exact, warnings, and notes of the analysis."""
    tables = []
    if provenance.changes:
        keys = ("job", "words", "reason", "exact", "from_step", "until_step", "reached_step")
        rows = [[one.part, one.run, *(one.record.get(key) for key in keys)] for one in provenance.changes]
        headings = ("part", "run", "job", "change", "reason", "exact", "from step", "until step", "reached step")
        tables.append(Table("recoveries", "Recoveries", headings, rows))
    failed = [job for job in provenance.jobs if not job.state.endswith("[0]") and job.state.startswith("finished")]
    if failed:
        rows = [[job.part, job.kind, job.pk, job.state, job.message] for job in failed]
        tables.append(
            Table("failed-jobs", "Jobs that did not finish", ("part", "job", "PK", "state", "message"), rows)
        )
    warnings = Counter(warning.removeprefix("WARNING: ") for job in provenance.jobs for warning in job.warnings)
    if warnings:
        rows = [[text, number] for text, number in warnings.most_common()]
        tables.append(Table("warnings", "Warnings of LAMMPS", ("warning", "jobs"), rows, folded=len(rows) > 8))
    notes: dict[str, list[str]] = {}
    for label, run in findings.runs.items():
        for note in _read(run, "notes"):
            notes.setdefault(note, []).append(label)
    statements = [Statement(f"{', '.join(labels)}: {note}", "–") for note, labels in notes.items()]
    if provenance.jobs and not provenance.changes:
        statements.insert(0, Statement("No job was changed by a recovery.", "✓"))
    restarted = sum(job.restart_file not in ("", "none") for job in provenance.jobs)
    if restarted:
        statements.append(Statement(f"{restarted} jobs continued from a checkpoint of the job before."))
    return Section("incidents", "Warnings and recoveries", statements=statements, tables=tables)


def _machines(provenance: Provenance, statements: Sequence[Statement]) -> Section:
    """Return what ran where: versions, and the jobs of each part by program, computer, code and ranks."""
    facts = [*provenance.versions.items()]
    programs = dict.fromkeys(job.program.removeprefix("LAMMPS ") for job in provenance.jobs if job.program)
    facts += [("LAMMPS", program) for program in programs]
    groups: dict[tuple[Any, ...], list[float]] = {}
    for job in provenance.jobs:
        computer = f"{job.computer}, {job.host}" if job.host else job.computer
        key = (job.part, job.kind, computer, job.code, job.ranks, "yes" if job.cached_from else "no")
        groups.setdefault(key, []).append(job.seconds or 0.0)
    rows = [[*key, len(times), duration(sum(times)) if sum(times) else None] for key, times in groups.items()]
    headings = ("part", "process", "computer", "code", "MPI ranks", "from the cache", "jobs", "time of LAMMPS")
    plain = [
        [job.part, job.kind, job.pk, job.uuid, job.state, job.program, job.computer, job.host, job.code, job.ranks,
         job.seconds, job.restart_file, job.exact, job.exact_reason, job.cached_from]
        for job in provenance.jobs
    ]  # fmt: skip
    names = (
        "part", "process", "PK", "UUID", "state", "program", "computer", "host", "code", "MPI ranks", "seconds",
        "restart file", "exact", "why not exact", "cached from",
    )  # fmt: skip
    note = "The file lists each job with its program, restart file and UUID."
    tables = [Table("jobs", "Jobs", headings, rows, names, plain, note=note)] if rows else []
    return Section("machines", "What ran where", facts=facts, statements=statements, tables=tables)


def _provenance(view: View, findings: Findings, found: Provenance, unknown: str) -> Section:
    """Return the process and its nodes, or why they are unknown, and the commands that show more."""
    origin = findings.origin
    facts = [(name, words) for name, words in view.facts if name not in ("recipe",)]
    rows = [
        [label, source.name, source.frames, source.first_step, source.bytes, source.sha256]
        for label, run in findings.runs.items()
        for source in _read(run, "sources")
    ]
    headings = ("run", "file", "frames", "first step", "bytes", "SHA-256")
    sources = [Table("trajectories", "Trajectories", headings, rows, folded=True)] if rows else []
    if origin.pk is None:
        return Section("provenance", "Provenance", facts=[("folders", origin.label), *facts], tables=sources)
    facts += [
        ("PK", str(origin.pk)),
        ("full graph", f"verdi node graph generate {origin.uuid}"),
        ("as an archive", f"verdi archive create --nodes {origin.uuid} -- study.aiida"),
    ]
    tables = [
        Table(
            name,
            title,
            ("link", "node", "PK", "UUID", "label"),
            [[one.name, one.kind, one.pk, one.uuid, one.label] for one in nodes],
            folded=True,
        )
        for name, title, nodes in (("inputs", "Inputs", found.inputs), ("outputs", "Outputs", found.outputs))
        if nodes
    ]
    statements = [Statement(unknown, "–")] if unknown else []
    return Section("provenance", "Provenance", facts=facts, statements=statements, tables=[*tables, *sources])


def _read(run: RunFindings, name: str) -> Sequence[Any]:
    """Return a field of the results of a run; nothing if they cannot be read, which the facts of protocol say."""
    try:
        found: Sequence[Any] = getattr(run.results, name)
    except ValueError:
        return ()
    return found

"""The results of findings as plain sections and rows: what the terminal and the page show.

Every row is a number with its interval, a statement with its mark, or what is not known with the reason. The
quantities of a run are those that the observables register, so that a new observable is shown without a change
here. :func:`view_of` returns the view; it needs neither AiiDA nor a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from aiida_cse.analysis.crossing.documents import crossing_rows
from aiida_cse.analysis.crossing.observations import ONE_FACE, last_of_means
from aiida_cse.analysis.registry import Quantity, observables
from aiida_cse.physics.kinetics.laws import LAWS
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.rows import FAILED, NOTHING, PASSED, Row, Section, View
from aiida_cse.report.words import duration, number_words, unreadable

__all__ = ["joint_sections", "quantities_of", "verdict_of", "view_of"]

#: headings of the quantities of runs, in the order in which they are shown; those of others follow
_SECTIONS = (
    "Exchange",
    "Equilibration",
    "Populations",
    "Barriers",
    "Barriers of anions",
    "Charge",
    "Resistance",
    "Mobility",
)
#: numbers of each crossing of a study
_OF_EACH_CROSSING = ("tst_barrier_K", "kappa_in", "rate_in_per_s", "rate_out_per_s", "resistance_ohm_cm2")
#: statements of earlier versions, which had no marks, and those of today with the same numbers
_OLD_STATEMENTS = (
    (r"net flux \+0 ± 0 ions.*", NOTHING, "net flux: no events, nothing to test"),
    (r"drift of the population \+0 ± 0 .*", NOTHING, "drift: the number of ions never changed, nothing to test"),
    (r"equilibration coefficient (\S+) \((.*)\) is below (\S+)", FAILED, r"EC \1 (needs ≥ \3): \2"),
    (r"equilibration coefficient (\S+) \((.*)\) reaches (\S+)", PASSED, r"EC \1 (≥ \3): \2"),
    (r"its (lower \S+ % bound) (\S+) is below (\S+)", FAILED, r"\1 of EC \2 (needs ≥ \3)"),
    (r"its (lower \S+ % bound) (\S+) reaches (\S+)", PASSED, r"\1 of EC \2 (≥ \3)"),
    (r"(.*) is compatible with zero \(p = (\S+), required (\S+)\)", PASSED, r"\1, p = \2 (≥ \3)"),
    (r"(.*) is not compatible with zero \(p = (\S+), required (\S+)\)", FAILED, r"\1, p = \2 (needs ≥ \3)"),
    (r".* is (below|above) .*", FAILED, r"\g<0>"),
    (r".* is at most .*", PASSED, r"\g<0>"),
)


def view_of(findings: Findings) -> View:
    """Return the view of findings: verdicts, conclusions over all runs, the numbers of each run, stages, time."""
    origin = findings.origin
    sections = [
        *_readable("Verdict", "verdict", _verdicts, findings),
        *_readable("Known and found", "checks", _checks, findings),
        *joint_sections(findings),
        # the checks of a validation say each number beside the known one
        *([] if findings.validation else _numbers(findings.runs)),
        *_readable("Looks", "looks", _looks, findings.runs),
        *_readable("Stages", "stages", _stages, findings),
        *_readable("Time", "time", _time, findings),
    ]
    pk = "" if origin.pk is None else f" <{origin.pk}>"
    label = origin.label if pk in origin.label else origin.label + pk
    title = label if origin.kind == "folders" or label.startswith(origin.kind) else f"{origin.kind} {label}"
    return View(title, tuple(_facts(findings)), tuple(one for one in sections if one.rows), tuple(findings.runs))


def joint_sections(findings: Findings) -> list[Section]:
    """Return the results of several runs: kinetics, different starts, shifts Δz, cold against hot, a crossing."""
    return [
        *_readable("Kinetics", "kinetics", _kinetics, findings),
        *_readable("Different starts", "starts", _starts, findings),
        *_readable("Shift Δz", "shifts", _shifts, findings),
        *_readable("Cold against hot", "comparison", _comparison, findings),
        *_readable("Crossing", "crossing", _crossings, findings),
    ]


def _readable(
    title: str, name: str, make: Callable[[Any], Section | Iterable[Section]], source: Any
) -> list[Section]:
    """Return sections, or one with the reason why they cannot be made from what the results hold.

    Results of other versions and other programs can have a form that a section does not expect; the remaining
    sections are still shown.
    """
    try:
        made = make(source)
        return [made] if isinstance(made, Section) else list(made)
    except Exception as error:
        return [Section(title, (Row(name, mark=NOTHING, text=unreadable(error)),))]


def quantities_of(run: RunFindings) -> Iterator[tuple[str, str, Quantity]]:
    """Yield section, name of the observable and quantity of everything that views show of a run.

    An observable without a result gives one quantity without a value, with the reason.
    """
    registered = observables()
    order = {title: place for place, title in enumerate(_SECTIONS)}
    for name in sorted(registered, key=lambda one: order.get(registered[one].section, len(order))):
        one = registered[name]
        if name in run.scalars:
            try:
                yield from [
                    (one.section, name, quantity)
                    for quantity in (one.rows(run.scalars[name]) if one.rows is not None else ())
                ]
            except Exception as error:
                yield one.section, name, Quantity(name.replace("_", " "), "", None, reason=unreadable(error))
        elif name in run.missing:
            words = name.replace("_", " ")
            yield one.section, name, Quantity(words, "", None, reason=run.missing[name])


# -- head and verdicts ---------------------------------------------------------------------------------------


def _facts(findings: Findings) -> Iterator[tuple[str, str]]:
    origin = findings.origin
    if origin.state:
        yield "state", origin.state + (f" {origin.message}" if origin.message else "")
    if origin.began is not None and origin.ended is not None:
        yield "began", f"{origin.began:%Y-%m-%d %H:%M} UTC, took {duration(origin.ended - origin.began)}"
    if origin.description:
        yield "description", origin.description
    if findings.recipe:
        words = findings.recipe.get("description") or ""
        yield "recipe", f"{findings.recipe.get('name', 'without a name')}: {words}".removesuffix(": ")
    if origin.version:
        yield "aiida-cse", origin.version
    if origin.uuid is not None:
        yield "UUID", origin.uuid


def _verdicts(findings: Findings) -> Section:
    """Return the verdict of each run with its criteria, one statement each."""
    rows: list[Row] = []
    for label, run in findings.runs.items():
        verdict = run.scalars.get("equilibration", {})
        mark, words = verdict_of(run)
        if mark == NOTHING:
            rows.append(Row("verdict", label, NOTHING, words))
            continue
        equilibrated = mark == PASSED
        time = "" if verdict.get("time_ns") is None else f", {verdict['time_ns']:.4g} ns"
        temperature = f"{run.temperature:g} K"
        name = temperature if temperature == label else f"{label}, {temperature}"
        rows.append(Row("verdict", label, mark, f"{name}{time}: {words}"))
        rows += [Row("criterion", label, *_marked(str(reason))) for reason in verdict.get("reasons") or ()]
        if equilibrated and (slowest := verdict.get("slowest_time_ns")) is not None:
            words = f"processes slower than {slowest:.3g} ns: not seen; other starts would show them"
            rows.append(Row("criterion", label, NOTHING, words))
    if not rows and findings.kinetics is None and findings.crossing is None and findings.origin.kind != "crossing":
        rows.append(Row("verdict", "", NOTHING, "no run has results"))
    return Section("Verdict", tuple(rows))


def verdict_of(run: RunFindings) -> tuple[str, str]:
    """Return mark and words of the verdict of a run; – with the reason if it is not known."""
    verdict = run.scalars.get("equilibration")
    if verdict is None:
        return NOTHING, f"not known: {run.missing.get('equilibration', 'there is no result')}"
    if run.equilibrated is None:
        value = verdict.get("equilibrated")
        return NOTHING, f"not known: equilibrated = {value!r}: neither true nor false; repeat the analysis"
    default = "equilibrated" if run.equilibrated else "not equilibrated"
    return PASSED if run.equilibrated else FAILED, str(verdict.get("kind") or default)


def _marked(statement: str) -> tuple[str, str]:
    """Return mark and text of a statement, as ``Li: ✓ EC 0.99 (≥ 0.5)``; earlier versions wrote no marks."""
    match = re.fullmatch(rf"(\w+: )?(?:([{PASSED}{FAILED}{NOTHING}]) )?(.*)", statement, re.DOTALL)
    assert match is not None
    ion, mark, words = match[1] or "", match[2], match[3]
    if mark:
        return mark, ion + words
    for pattern, mark, template in _OLD_STATEMENTS:
        if old := re.fullmatch(pattern, words):
            return mark, ion + old.expand(template)
    return "", statement


# -- over all runs -------------------------------------------------------------------------------------------


def _kinetics(findings: Findings) -> Iterator[Section]:
    """Yield the joint kinetics: energies, rates with the laws, and which runs were used."""
    if findings.kinetics is None:
        return
    found = findings.kinetics.values
    level = found.get("level")
    note = "" if level is None else f"intervals: {100 * level:g} %"
    yield Section("Kinetics", tuple(_energies(found)), note=note)
    names = [key.removesuffix("_per_s") for key in found if re.fullmatch(r"rate_\d{4}K_per_s", key)]
    rates = [row for name in names for row in _rate_rows(found, name)]
    yield Section("Rate of entries per ion in a 1st layer", tuple(rates))
    resistances = [
        Quantity.of(
            found, f"R({float(name[5:-1]):g} K)", f"resistance_{name[5:]}{{}}_ohm_cm2", "Ω cm²", reason="no rate"
        )
        for name in names
        if f"resistance_{name[5:]}_ohm_cm2" in found
    ]
    yield Section("Interfacial resistance of a face", tuple(_joint_row("kinetics", one) for one in resistances))
    # nodes of earlier versions have no measured rates
    records = found.get("crossings") or ()
    rows = [row for one in records for row in _measured_rate(one, mean=one["run"] in last_of_means(records))]
    yield Section("Rates measured without counting", tuple(rows))
    yield Section("Runs in the fit", tuple(_observations(found)))


def _energies(found: Mapping[str, Any]) -> Iterator[Row]:
    barrier = {"tst": "the TST barrier with √(k_B T / 2πm)", "maximum": "maximum minus minimum of F with ν"}
    # nodes of earlier versions do not name it
    chosen = found.get("barrier_from") or "maximum"
    fallback = found.get("barrier_fallback")
    yield Row("barrier used", text=barrier.get(chosen, chosen) + (f"; {fallback}" if fallback else ""))
    nothing = "" if found.get("used") else "no run takes part"
    without_barrier = nothing or "it needs a run with a barrier that has an interval"
    mean = "mean of the hottest runs, or given"
    kilojoules = found.get("energy_kJ_per_mol")
    arrhenius = "Arrhenius" if kilojoules is None else f"Arrhenius; {kilojoules:.3g} kJ/mol"
    quantities = [
        Quantity.of(found, "ΔE / k_B", "energy{}_K", "K", reason=nothing, note=arrhenius),
        Quantity.of(found, "ΔS", "entropy{}_kB", "k_B", reason=without_barrier),
        Quantity.of(found, "κ of all runs", "kappa{}", reason=without_barrier),
        *(
            Quantity.of(
                found, name, key, unit, reason=without_barrier if found.get(key.format("")) is None else mean
            )
            for name, key, unit in (
                ("prefactor", "frequency{}_per_s", "s⁻¹"),
                ("slope of the barrier", "slope{}_K_per_A", "K Å⁻¹"),
            )
        ),
        Quantity.of(
            found,
            "p-value of Arrhenius' law",
            "p_value{}",
            reason="two runs or fewer" if found.get("p_value") is None else "",
        ),
    ]
    gamma = Quantity.of(found, "γ", "gamma{}", reason="it needs two temperatures with entries")
    title = "γ of the two hottest temperatures"
    if gamma.value is not None:
        hot, cold = found["gamma_temperatures_K"]
        title = f"γ = Γ({hot:g} K) / Γ({cold:g} K)"
    quantities.append(replace(gamma, name=title))
    yield from (_joint_row("kinetics", quantity) for quantity in quantities)


def _rate_rows(found: Mapping[str, Any], name: str) -> Iterator[Row]:
    """Yield the rate at one temperature, and under each law if several were fitted."""
    temperature = f"Γ({float(name[5:-1]):g} K)"
    laws = [LAWS[law].title if law in LAWS else law for law in found.get("laws") or ()]
    note = "" if not laws else f"under {laws[0]}" if len(laws) == 1 else f"under any of {len(laws)} laws"
    if found.get(f"{name}_extrapolated"):
        note = f"extrapolated {note}".rstrip()
    rate = Quantity.of(found, temperature, f"{name}{{}}_per_s", "s⁻¹", reason="no run constrains it", note=note)
    if rate.value is None:
        rate = replace(rate, note="", lower=rate.lower or None)
    yield _joint_row("kinetics", rate)
    by_law = found.get("by_law") or {}
    known = rate.value is not None or _bounded(rate)
    if not known or len(by_law) < 2 or not found.get(f"{name}_extrapolated"):
        return
    for law, values in by_law.items():
        weight, refuted = values.get("weight"), "" if law in found.get("laws", ()) else ", refuted"
        title = LAWS[law].title if law in LAWS else law
        words = "weight not known" if weight is None else f"weight {weight:.2f}"
        quantity = Quantity.of(values, f"  {title}", f"{name}{{}}_per_s", "s⁻¹", note=words + refuted)
        yield _joint_row(f"kinetics.by_law.{law}", quantity)
    averaged = Quantity.of(found, "  average over the laws", f"averaged_{name}{{}}_per_s", "s⁻¹")
    yield _joint_row("kinetics", averaged)


def _measured_rate(record: Mapping[str, Any], *, mean: bool) -> Iterator[Row]:
    """Yield a measured rate and, with ``mean``, that over the faces and what the counts alone give there."""
    note = f"{record['side']}; as {number_words(record['equivalent_events'])} entries"
    name = f"Γ({record['temperature_K']:g} K), {record['run']}"
    yield _joint_row("kinetics", Quantity.of(record, name, "rate{}_per_s", "s⁻¹", note=note))
    if not mean:
        return
    # nodes of earlier versions took each face for the mean
    if record.get("faces") == 1:
        yield Row("  mean of both faces", mark=NOTHING, text=ONE_FACE)
    elif "faces" in record:
        yield _joint_row("kinetics", Quantity.of(record, "  mean of both faces", "mean_rate{}_per_s", "s⁻¹"))
    counted = Quantity.of(record, "  of the counts alone", "counted_rate{}_per_s", "s⁻¹", reason="they give none")
    if record["agrees"] is not None:
        extrapolated = ", extrapolated" if record["counted_rate_extrapolated"] else ""
        counted = replace(counted, note=("agrees" if record["agrees"] else "differs") + extrapolated)
    yield _joint_row("kinetics", counted)


def _observations(found: Mapping[str, Any]) -> Iterator[Row]:
    excluded = found.get("excluded") or {}
    known = {record.get("run"): record for record in found.get("observations") or ()}
    admitted = found.get("admitted_off_equilibrium") or ()
    for label in dict.fromkeys((*known, *excluded)):
        record = known.get(label, {})
        entries, exposure = record.get("events"), record.get("exposure_ion_ns")
        counted = "" if exposure is None else f"{entries} entries in {number_words(exposure)} ion ns"
        if label in excluded:
            words, mark = f"not used: {excluded[label]}", FAILED
        elif label in admitted:
            words, mark = "used off equilibrium: its entries count under a condition (admit: conditioned)", NOTHING
        else:
            words, mark = "used", PASSED
        yield Row("run", label, mark, f"{label}: " + ", ".join(part for part in (counted, words) if part))


def _starts(findings: Findings) -> Iterator[Section]:
    for label, starts in findings.starts.items():
        found = starts.values
        mark = PASSED if found.get("equilibrated") else FAILED
        words = f"{found['temperature_K']:g} K, {len(found['runs'])} starts: {found['kind']}"
        rows = [Row("starts", label, mark, words)]
        rows += [Row("layer", label, *_marked(str(reason))) for reason in found.get("reasons") or ()]
        yield Section(f"Different starts, {label}", tuple(rows))


def _shifts(findings: Findings) -> Section:
    """Return the shift Δz at each temperature, from charge integrals and from free energies."""
    if findings.shifts is None:
        return Section("Shift Δz", ())
    found = findings.shifts.values
    reasons = [str(reason) for reason in found.get("reasons") or ()]
    names = [key[3:-2] for key in found if re.fullmatch(r"dz_\d{4}K_A", key)]
    quantities = []
    for name in names:
        for kind, words in (("dz", "charge integral"), ("dz_free_energy", "free energy")):
            title = f"Δz({float(name[:-1]):g} K), {words}"
            unknown = "see the reasons below" if reasons else f"it was not determined at {float(name[:-1]):g} K"
            quantities.append(Quantity.of(found, title, f"{kind}_{name}{{}}_A", "Å", reason=unknown))
        for side in ("left", "right"):
            title = f"rise of F({float(name[:-1]):g} K), {side}"
            quantities.append(Quantity.of(found, title, f"df_{name}_{side}{{}}_K", "K", reason="no shift of F"))
    rows = [_joint_row("shifts", quantity) for quantity in quantities]
    rows += [Row("reason", mark=NOTHING, text=reason) for reason in reasons]
    if not names:
        rows.append(Row("shift", mark=NOTHING, text="Δz needs runs at two temperatures"))
    note = f"against {found['reference_temperature_K']:g} K" if found.get("reference_temperature_K") else ""
    return Section("Shift Δz", tuple(rows), note=note)


def _comparison(findings: Findings) -> Section:
    """Return the cold run of a quench against the hot one."""
    if findings.comparison is None:
        return Section("Cold against hot", ())
    found = findings.comparison.values
    reasons = [str(reason) for reason in found.get("reasons") or ()]
    below = "see the reasons below" if reasons else ""
    quantities = [
        Quantity.of(found, "Δz from the charge integrals", "dz{}_A", "Å", reason=below),
        Quantity.of(found, "Δz from the free energies", "dz_free_energy{}_A", "Å", reason=below),
    ]
    for key in found:
        if match := re.fullmatch(r"n_([a-z0-9]+)_(ceramic|layer|excess)_difference", key):
            hot, cold = (found.get(f"n_{match[1]}_{match[2]}_{run}") for run in ("hot", "cold"))
            note = "" if None in (hot, cold) else f"{hot:.1f} → {cold:.1f}"
            name, reason = f"ΔN({match[1].capitalize()}, {match[2]})", "one of the numbers never changed"
            quantities.append(Quantity.of(found, name, f"{key}{{}}", reason=reason, note=note))
        elif match := re.fullmatch(r"peak_([a-z0-9]+)_(left|right)_closer_A", key):
            stem, title = f"peak_{match[1]}_{match[2]}", f"peak of {match[1].capitalize()}, {match[2]}"
            quantities += [
                Quantity.of(found, f"{title}, closer by", f"{stem}_closer{{}}_A", "Å", reason=below),
                Quantity.of(found, f"{title}, height cold / hot", f"{stem}_height_ratio{{}}", reason=below),
            ]
        elif match := re.fullmatch(r"df_(left|right)_K", key):
            quantities.append(
                Quantity.of(found, f"rise of F, {match[1]}", f"df_{match[1]}{{}}_K", "K", reason=below)
            )
    rows = [_joint_row("comparison", quantity) for quantity in quantities]
    rows += [Row("reason", mark=NOTHING, text=reason) for reason in reasons]
    note = f"{found['temperature_cold_K']:g} K minus {found['temperature_hot_K']:g} K"
    return Section("Cold against hot", tuple(rows), note=note)


def _crossings(findings: Findings) -> Iterator[Section]:
    """Yield the rate of a crossing, of one that has not come so far F on the surface; of a study, each rate."""
    for label, result in findings.crossings.items():
        main = [quantity for quantity in crossing_rows(result.values) if quantity.key in _OF_EACH_CROSSING]
        yield _crossing(f"Crossing {label}", f"crossings.{label}.crossing", result.values, main)
    if findings.origin.kind != "crossing":
        return
    profile = {} if findings.crossing_profile is None else findings.crossing_profile.values
    found = profile if findings.crossing is None else findings.crossing.values
    if not found:
        yield Section("Crossing", (Row("crossing", mark=NOTHING, text="no round of windows is complete"),))
        return
    quantities = crossing_rows(found)
    if findings.crossing is None:
        quantities = iter([Quantity.of(found, "TST barrier", "tst_barrier{}_K", "K", reason="F has no top")])
    yield _crossing("Crossing", "crossing", found, quantities)


def _crossing(title: str, source: str, found: Mapping[str, Any], quantities: Iterable[Quantity]) -> Section:
    """Return numbers of a crossing with its reasons, and what it is of."""
    rows = [_joint_row(source, quantity) for quantity in quantities]
    rows += [Row("reason", mark=NOTHING, text=str(reason)) for reason in found.get("reasons") or ()]
    level = found.get("level")
    intervals = "" if level is None else f"; intervals: {100 * level:g} %"
    place = "no surface" if found.get("surface_z_A") is None else f"surface at {found['surface_z_A']:.2f} Å"
    note = f"{found.get('ion')}, {found.get('side')}, {found.get('temperature_K'):g} K, {place}{intervals}"
    return Section(title, tuple(rows), note=note)


def _checks(findings: Findings) -> Section:
    """Return the checks of a validation: known and found value, and the interval that must hold the known one."""
    found = findings.validation.get("checks") or {}
    rows = []
    for check in found.get("checks", ()):
        unit = f" ({check['unit']})" if check["unit"] else ""
        cells = {
            "known": check["expected"],
            "found": check["found"],
            "from": check["low"],
            "to": check["high"],
        }
        mark = PASSED if check["holds"] else FAILED
        rows.append(Row(f"{check['quantity']}{unit}", check["run"], mark, cells=cells))
    missing = found.get("not_checked") or ()
    rows += [
        Row(str(name), mark=NOTHING, text="not checked: results of its version do not have it") for name in missing
    ]
    failed = sum(row.mark == FAILED for row in rows)
    note = f"{len(rows) - len(missing)} checks, {failed or 'none'} failed" if rows else ""
    labels = list(dict.fromkeys(row.run for row in rows))
    rows.sort(key=lambda row: labels.index(row.run))
    return Section("Known and found", tuple(rows), dict.fromkeys(("known", "found", "from", "to"), ""), note)


# -- runs ----------------------------------------------------------------------------------------------------


def _numbers(runs: Mapping[str, RunFindings]) -> Iterator[Section]:
    """Yield the sections of the quantities of the runs; in each, the runs of one quantity follow each other."""
    rows: dict[str, dict[tuple[str, str], list[Row]]] = {}
    for label, run in runs.items():
        for section, observable, quantity in quantities_of(run):
            mark = "" if quantity.value is not None or _bounded(quantity) else NOTHING
            source = f"runs.{label}.{observable}.{quantity.key}" if quantity.key else ""
            row = Row(quantity.name, label, mark, quantity=quantity, source=source)
            rows.setdefault(section, {}).setdefault((observable, quantity.name), []).append(row)
    levels: list[float | None] = []
    for run in runs.values():
        criteria = run.scalars.get("equilibration", {}).get("criteria")
        given = criteria.get("level") if isinstance(criteria, Mapping) else None
        levels.append(given if isinstance(given, int | float) else None)
    level = levels[0] if len(set(levels)) == 1 else None
    for section, found in rows.items():
        note = f"intervals: {100 * level:g} %; ±: standard error" if level is not None else ""
        yield Section(section, tuple(row for same in found.values() for row in same), note=note)


def _bounded(quantity: Quantity) -> bool:
    """Return whether a bound is known; a lower one of 0 is that of every rate."""
    return quantity.upper is not None or bool(quantity.lower)


def _joint_row(source: str, quantity: Quantity) -> Row:
    mark = "" if quantity.value is not None or _bounded(quantity) else NOTHING
    return Row(quantity.name, "", mark, quantity=quantity, source=f"{source}.{quantity.key}")


def _looks(runs: Mapping[str, RunFindings]) -> Iterator[Section]:
    """Yield the looks of each adaptive run that had several."""
    headings = {"ns": ".4g", "in": "", "out": "", "EC": ".3f", "EC ≥": ".3f"}
    for label, run in runs.items():
        if len(run.looks) < 2:
            continue
        rows = [
            Row(
                f"look {look.get('look', number)}",
                label,
                PASSED if look.get("equilibrated") else FAILED,
                cells=dict(
                    zip(
                        headings,
                        (look.get(key) for key in ("end_ns", "entries", "exits", "ec", "ec_lower_bound")),
                        strict=True,
                    )
                ),
            )
            for number, look in enumerate(run.looks, 1)
        ]
        yield Section(f"Looks of {label}", tuple(rows), headings)


# -- stages and time -----------------------------------------------------------------------------------------

_AVERAGES = (
    ("ns/day", "ns_per_day", ".2f"),
    ("T (K)", "temperature_K", ".0f"),
    ("ρ (g/cm³)", "density_g_cm3", ".2f"),
    ("Lz (Å)", "lz_A", ".1f"),
)


def _stages(findings: Findings) -> Section:
    """Return the stages of each part; stages of one schedule are one row with the averages of the last."""
    rows = []
    for part, records in findings.stages.items():
        for _, group in groupby(records, key=lambda stage: re.sub(r"_\d+$", "_", stage["name"])):
            stages = list(group)
            first, last = stages[0], stages[-1]
            name = first["name"] if first is last else f"{first['name']} … {last['name'].rsplit('_', 1)[1]}"
            complete = all(stage.get("complete", True) for stage in stages)
            steps = sum(stage["step"] - stage["start_step"] for stage in stages if stage["kind"] != "minimize")
            times = [stage["wall_seconds"] for stage in stages if stage["wall_seconds"] is not None]
            averages = {heading: stages[-1].get(key) for heading, key, _ in _AVERAGES}
            cells = {"steps": steps or None, "time": duration(sum(times)) if times else None, **averages}
            rows.append(Row(name, part, "" if complete else FAILED, cells=cells))
    headings = {"steps": "", "time": ""} | {heading: form for heading, _, form in _AVERAGES}
    return Section("Stages", tuple(rows), headings)


def _time(findings: Findings) -> Section:
    share = findings.time
    if share is None:
        return Section("Time", ())
    rows = []
    if share.ran:
        percent = 100 * share.program_seconds / share.seconds
        # AiiDA, the scheduler and the transport of files
        overhead = (share.seconds - share.program_seconds) / share.ran
        jobs = f"{share.ran} LAMMPS job{'s' if share.ran > 1 else ''}"
        words = (
            f"{duration(share.seconds)}, {percent:.0f} % in LAMMPS, the rest in orchestration, "
            f"{overhead:.1f} s per job"
        )
        rows.append(Row(jobs, text=words))
    if share.cached:
        words = f"the results of {share.cached} of {share.jobs} LAMMPS jobs; these did not run again"
        rows.append(Row("from the cache", text=words))
    return Section("Time", tuple(rows))

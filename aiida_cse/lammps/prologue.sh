#!/bin/sh
# Choose the checkpoint from which a job goes on: the newest whole restart file of the run's earlier jobs.
#
#   sh prologue.sh LMP
#
# Earlier jobs are reached through the link "parent" (and their own "parent", and so on). A file is whole if its
# job's log says that it was written to the end, or else if LAMMPS itself can read its header and body.
# Writes start.in (what the input script reads) and start.json (what is kept of the choice).
set -u
lmp=$1

whole() { # folder file
    grep -qx "CSE restart=$2" "$1/log.lammps" 2>/dev/null && return 0
    "$lmp" -restart2info "$1/$2" -log none >/dev/null 2>&1
}

chosen=none
skipped=
folder=parent
while [ -d "$folder/" ] && [ "$chosen" = none ]; do
    steps=$(ls "$folder" | sed -n 's/^restart\.\([0-9][0-9]*\)$/\1/p' | sort -rn)
    for step in $steps; do
        if whole "$folder" "restart.$step"; then
            chosen=$folder/restart.$step
            break
        fi
        skipped="$skipped $folder/restart.$step"
    done
    folder=$folder/parent
done

digest=
[ "$chosen" = none ] || digest=$(sha256sum "$chosen" | cut -d ' ' -f 1)
if [ "$chosen" = none ]; then
    echo 'read_data system.data' >start.in
else
    echo "read_restart $chosen" >start.in
fi
printf '{"restart": "%s", "sha256": "%s", "unreadable": "%s"}\n' "$chosen" "$digest" "${skipped# }" >start.json

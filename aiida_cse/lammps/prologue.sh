#!/bin/sh
# Choose the checkpoint from which a job goes on: the newest whole restart file of the run's earlier jobs.
#
#   sh prologue.sh LMP [STEP]
#
# Files of a later step than STEP are passed over: the run broke after them.
# Earlier jobs are reached through the link "parent" (and their own "parent", and so on). A file is whole if LAMMPS
# itself can read its header and body; where LAMMPS does not run without its launcher, if its job's log says that it
# was written to the end.
# Writes start.in (what the input script reads) and start.json (what is kept of the choice).
set -u
lmp=$1
latest=${2:-}

whole() { # folder file
    [ -s "$1/$2" ] || return 1
    if [ "$runs" = yes ]; then
        $limit "$lmp" -restart2info "$1/$2" -log none >/dev/null 2>&1
    else
        grep -qx "CSE restart=$2" "$1/log.lammps" 2>/dev/null
    fi
}

# a LAMMPS that needs its launcher may hang without it
limit=
command -v timeout >/dev/null 2>&1 && limit='timeout 300'
runs=no
[ -d parent/ ] && $limit "$lmp" -h 2>/dev/null | grep -q restart2info && runs=yes

chosen=none
skipped=
folder=parent
while [ -d "$folder/" ] && [ "$chosen" = none ]; do
    steps=$(ls "$folder" | sed -n 's/^restart\.\([0-9][0-9]*\)$/\1/p' | sort -rn)
    for step in $steps; do
        [ -n "$latest" ] && [ "$step" -gt "$latest" ] && continue
        if whole "$folder" "restart.$step"; then
            chosen=$folder/restart.$step
            break
        fi
        skipped="$skipped $folder/restart.$step"
    done
    folder=$folder/parent
done

digest=
if [ "$chosen" != none ]; then
    digest=$(sha256sum "$chosen" | cut -d ' ' -f 1)
    echo "read_restart $chosen" >start.in
elif [ -L "$folder" ]; then
    # to start anew would pass for going on
    printf 'print "ERROR: no restart file: the folder of an earlier job is gone"\nquit 1\n' >start.in
else
    echo 'read_data system.data' >start.in
fi
printf '{"restart": "%s", "sha256": "%s", "unreadable": "%s"}\n' "$chosen" "$digest" "${skipped# }" >start.json

#!/bin/sh
# Before LAMMPS: lock the folder, ensure that no earlier job of the run still writes, and choose the checkpoint.
#
#   CSE_JOB=NAME sh prologue.sh LMP SECONDS [STEP [frames]]
#
# Earlier jobs are reached through the link "parent" (and their own "parent", and so on). The checkpoint is the newest
# complete restart file of all of them or, if none can be read, the newest complete final data file. Checkpoints after
# STEP are ignored, because the run failed after that step; with "frames", so are those before which trajectory frames
# are missing. A file whose checksum differs from the recorded one is never used.
# Writes start.in (read by the input script) and start.json (record of the choice). If the folder is locked already,
# it is left unchanged; the exit status is then 75, and LAMMPS must not start.
set -u
lmp=$1
seconds=$2
latest=${3:-any}
frames=${4:-alone}
: "${CSE_JOB:?is not set: the name of the job}"
. ./lock.sh
. ./record.sh

now() {
    cut -d . -f 1 /proc/uptime 2>/dev/null || date +%s
}
began=$(now)

if ! claim "$PPID"; then
    if [ -d lock ]; then
        echo "ERROR: folder in use: $(pwd) was taken by a job on $(owner . host)" >&2
    else
        echo "ERROR: Cannot open folder: $(pwd) cannot be written to" >&2
    fi
    exit 75
fi

# by this name the whole log is retrieved, unless the epilogue compresses it; a requeued job has the link already
ln -sf log.lammps unfinished.log

# reserve space for the files of the epilogue, in case the disk is full by then
fill reserve 16

# -- earlier jobs ------------------------------------------------------------------------------------------------

folder=parent
while [ -d "$folder/" ] && settle "$folder"; do
    # a job that continued has already checked the jobs before it
    grep -q '^read_' "$folder/start.in" 2>/dev/null && break
    folder=$folder/parent
done

# -- choice of the checkpoint ------------------------------------------------------------------------------------

# LAMMPS may hang without the launcher that it needs
limit=
command -v timeout >/dev/null 2>&1 && limit='timeout 300'
runs=no
[ -d parent/ ] && $limit "$lmp" -h 2>/dev/null | grep -q restart2info && runs=yes

# true if a file has the checksum that its job recorded, or if there is no record
is_as_recorded() { # folder file
    recorded=$(recorded_sha256 "$1" "$2")
    [ -z "$recorded" ] || [ "$(sha256 "$1/$2")" = "$recorded" ]
}

# true if all frames before a checkpoint exist; their number follows from the size and the header of the file
has_frames() { # folder step
    [ "$frames" = frames ] || return 0
    reaches "$1" trajectory.dcd "$2" && reaches "$1" ions.dcd "$2"
}

reaches() { # folder trajectory step
    [ -s "$1/$2" ] || {
        needs_none "$1" "$2" "$3"
        return
    }
    size=$(wc -c <"$1/$2")
    # step of the first frame, steps between frames, number of atoms
    set -- "$3" $(od -An -t d4 -j 12 -N 8 "$1/$2") $(od -An -t d4 -j 268 -N 4 "$1/$2")
    [ $# -eq 4 ] || return 1
    whole=$(((size - 276) / (80 + 12 * $4)))
    [ $(($2 + whole * $3)) -ge "$1" ]
}

# true if a trajectory that is empty or missing had no frame to write before a checkpoint
needs_none() { # folder trajectory step
    # those of a job that ended may have been discarded
    [ ! -e "$1/$2" ] && [ -s "$1/end.json" ] && return 0
    # stage that writes it, and steps between frames
    set -- "$1" "$3" $(awk -v file="$2" '
        /^print "CSE begin=/ { sub(/.*begin=/, ""); stage = $1 }
        $1 == "dump" && $4 == "dcd" && $6 == file { print stage, $5; exit }' "$1/input.in" 2>/dev/null)
    [ $# -eq 4 ] || return 0
    first=$(sed -n "s/^CSE begin=$3 .* step=\([0-9]*\) .*/\1/p" "$1/log.lammps" 2>/dev/null | head -n 1)
    [ -z "$first" ] || [ $(((first + $4 - 1) / $4 * $4)) -gt "$2" ]
}

# true if LAMMPS can read header and body; if it cannot run alone here, true if the job's log reports the file complete
is_whole() { # folder file
    [ -s "$1/$2" ] && is_as_recorded "$1" "$2" || return 1
    if [ "$runs" = yes ]; then
        $limit "$lmp" -restart2info "$1/$2" -log none >/dev/null 2>&1
    else
        grep -qx "CSE restart=$2" "$1/log.lammps" 2>/dev/null
    fi
}

# checkpoint with which a job failed before its first stage
refused_by() { # folder
    grep -q '^ERROR.*restart' "$1/log.lammps" 2>/dev/null || return 0
    grep -q '^CSE begin=\|^ERROR: no restart file' "$1/log.lammps" && return 0
    sed -n "s|^ *\"restart\": \"\(.*\)\",\$|$1/\1|p" "$1/start.json" 2>/dev/null
}

# true if a data file contains the number of lines that its header declares
is_complete() { # data file
    [ -s "$1" ] && [ -z "$(tail -c 1 "$1")" ] && awk '
        /^[0-9]+ (atoms|bonds|angles|dihedrals|impropers)$/ { expected[$2] = $1 }
        /^[A-Z]/ { section = tolower($1); next }
        NF { seen[section]++ }
        END {
            expected["velocities"] = expected["atoms"]
            for (kind in expected) if (expected[kind] + 0 != seen[kind] + 0) exit 1
            exit !(expected["atoms"] > 0)
        }' "$1"
}

data_step() { # data file
    sed -n '1s/^LAMMPS data file.*timestep = \([0-9][0-9]*\),.*/\1/p' "$1" 2>/dev/null
}

is_too_late() { # step
    [ "$latest" != any ] && [ "$1" -gt "$latest" ]
}

choose_restart() {
    folder=parent
    refused=
    while [ -d "$folder/" ]; do
        refused="$refused $(refused_by "$folder") "
        for step in $(ls "$folder" | sed -n 's/^restart\.\([0-9][0-9]*\)$/\1/p' | sort -rn); do
            is_too_late "$step" && continue
            file=$folder/restart.$step
            case $refused in
            *" $file "*) ;;
            *) has_frames "$folder" "$step" && is_whole "$folder" "restart.$step" && chosen=$file && return 0 ;;
            esac
            skipped="$skipped $file"
        done
        folder=$folder/parent
    done
    # a broken link
    [ -L "$folder" ] && gone=yes
    return 1
}

choose_data() {
    folder=parent
    while [ -d "$folder/" ]; do
        file=$folder/final.data
        step=$(data_step "$file")
        if is_complete "$file" && is_as_recorded "$folder" final.data && [ -n "$step" ] && ! is_too_late "$step" &&
            has_frames "$folder" "$step"; then
            chosen=$file
            return 0
        fi
        folder=$folder/parent
    done
    return 1
}

chosen=none
skipped=
gone=no
[ -n "$trouble" ] || choose_restart || choose_data

# first thermo row after a checkpoint in a log, if it is of the same step
row_after() { # folder file step
    sed -n "/^CSE restart=$2\$/,\$p" "$1/log.lammps" 2>/dev/null |
        sed -n 's/^ *- \[\([-+0-9.eEnaif, ]*\)\] *$/\1/p' | head -n 1 | grep "^$3,"
}

# -- start.in and start.json -------------------------------------------------------------------------------------

give_up() { # reason
    printf 'print "ERROR: %s"\nquit 1\n' "$1"
}

{
    if [ "$seconds" = off ]; then
        echo 'variable timeout string off'
    else
        # one second less: both times are rounded down
        passed=$(($(now) - began - 1))
        [ "$passed" -ge 0 ] || passed=0
        left=$((seconds - passed))
        [ "$left" -ge 0 ] || left=0
        printf 'variable timeout string %02d:%02d:%02d\n' $((left / 3600)) $((left / 60 % 60)) $((left % 60))
    fi
    if [ -n "$trouble" ]; then
        give_up "folder in use: $trouble"
    elif [ "$chosen" = none ] && [ "$gone" = yes ]; then
        # a start from step 0 would be mistaken for a continuation
        give_up 'no restart file: the folder of an earlier job is gone'
    else
        case $chosen in
        none) echo 'read_data system.data' ;;
        *.data) printf 'read_data %s\nreset_timestep %s\n' "$chosen" "$(data_step "$chosen")" ;;
        *) echo "read_restart $chosen" ;;
        esac
    fi
} >start.in

digest=
left='{}'
row=
if [ "$chosen" != none ]; then
    digest=$(sha256 "$chosen")
    # a killed job could not record this itself
    [ "$frames" = frames ] && row=$(row_after "${chosen%/*}" "${chosen##*/}" "${chosen##*.}")
    [ -s "${chosen%/*}/end.json" ] || left=$(files_of "${chosen%/*}" trajectory.dcd ions.dcd)
fi
cat >start.json <<RECORD
{
 "restart": "$chosen",
 "sha256": "$digest",
 "unreadable": "${skipped# }",
 "lammps_version": "$(version_of "${chosen%/*}")",
 "ranks": $(ranks_of "${chosen%/*}"),
 "ended_processes": $(echo $ended | wc -w | tr -d ' '),
 "host": "$(uname -n)",
 "left": $left,
 "row": "$row"
}
RECORD

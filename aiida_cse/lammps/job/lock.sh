# Lock of a folder: which job writes into it, and how to end that job. Sourced by prologue.sh and epilogue.sh.
#
# A folder belongs to one job permanently: its lock is a directory, which can be created only once. lock/owner records
# where that job runs; lock/released, that none of its processes is left. LAMMPS, its launcher and any wrapper carry
# the name of the job in their environment (CSE_JOB). They are therefore found in any process group, and no others are.

# processes that had to be ended, and the reason if that failed
ended=
trouble=

# identifier of this machine since its last boot
machine() {
    echo "$(uname -n) $(cat /proc/sys/kernel/random/boot_id 2>/dev/null) $(readlink /proc/self/ns/pid 2>/dev/null)"
}

# start time of a process; empty if it has ended
started() { # pid
    if [ -d /proc/self ]; then
        sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" && $1 != "X" { print $20 }'
    else
        LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null
    fi
}

process_group() { # pid
    ps -o pgid= -p "$1" 2>/dev/null | tr -d ' '
}

# lock this folder for the job of this script; fails if it is locked
claim() { # pid of the job's script
    mkdir lock 2>/dev/null || return 1
    {
        echo "host=$(uname -n)"
        echo "machine=$(machine)"
        echo "job=$CSE_JOB"
        echo "pid=$1"
        echo "start=$(started "$1")"
        echo "group=$(process_group "$1")"
    } >lock/owner
}

owner() { # folder field
    sed -n "s/^$2=//p" "$1/lock/owner" 2>/dev/null | head -n 1
}

# living processes on this machine of the job that locked a folder
living() { # folder spared
    script=$(owner "$1" pid)
    start=$(owner "$1" start)
    job=$(owner "$1" job)
    lives=no
    [ -n "$script" ] && [ -n "$start" ] && [ "$(started "$script")" = "$start" ] && lives=yes
    {
        [ "$lives" = yes ] && echo "$script"
        if [ -d /proc/self ] && [ -n "$job" ]; then
            # then whole entries: a name may begin as another one does
            for each in $(grep -lF "CSE_JOB=$job" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3); do
                tr '\0' '\n' <"/proc/$each/environ" 2>/dev/null | grep -qxF "CSE_JOB=$job" && echo "$each"
            done
        elif [ "$lives" = yes ]; then
            ps -A -o pid= -o pgid= | awk -v group="$(owner "$1" group)" '$2 == group { print $1 }'
        fi
    } | sort -u | grep -vx "$2"
}

# end the processes of a folder's job, first with SIGTERM, then with SIGKILL; fails if one survives
end_processes() { # folder spared
    for signal in TERM KILL; do
        pids=$(living "$1" "$2")
        [ -z "$pids" ] && return 0
        echo "ending what is left of the job in $1 (SIG$signal):" $pids >&2
        ended=$(echo $ended $pids | tr ' ' '\n' | sort -u)
        kill -s "$signal" $pids 2>/dev/null
        waited=0
        while [ "$waited" -lt 10 ] && [ -n "$(living "$1" "$2")" ]; do
            sleep 1
            waited=$((waited + 1))
        done
    done
    [ -z "$(living "$1" "$2")" ]
}

# time for which a job may be silent: twice the duration of its last run between two checkpoints
patience() { # folder
    loop=$(sed -n 's/^Loop time of \([0-9]\{1,6\}\).*/\1/p' "$1/log.lammps" 2>/dev/null | tail -n 1)
    least=${CSE_QUIET_SECONDS:-60}
    seconds=$((2 * ${loop:-0}))
    [ "$seconds" -gt 900 ] && seconds=900
    [ "$seconds" -lt "$least" ] && seconds=$least
    echo "$seconds"
}

# true if no file in a folder changes for that time
is_quiet() { # folder
    : >watch
    sleep "$(patience "$1")"
    [ -z "$(find "$1/" -newer watch ! -type d 2>/dev/null | head -n 1)" ]
}

# ensure that the job that locked a folder writes no more; otherwise fail, with the reason in `trouble`
settle() { # folder
    [ -d "$1/lock" ] && [ ! -e "$1/lock/released" ] || return 0
    if [ "$(owner "$1" machine)" = "$(machine)" ]; then
        if ! end_processes "$1" none; then
            trouble="$1: its job cannot be ended on $(uname -n)"
            return 1
        fi
        # without /proc, processes are found only while their script runs
        [ -d /proc/self ] && return 0
    fi
    is_quiet "$1" && return 0
    trouble="$1: a job on $(owner "$1" host) still writes there"
    return 1
}

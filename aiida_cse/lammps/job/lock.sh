# Which job writes into a folder, and how to make sure that it does not any more. Read by prologue.sh and epilogue.sh.
#
# A folder belongs to one job for good: its lock is a folder that can be made once. lock/owner says where that job
# runs, lock/released that nothing of it is left. LAMMPS, its launcher and whatever wraps them have the name of the
# job in their environment (CSE_JOB), so that they are found in whichever process group they are, and nothing else is.

# the processes that had to be ended, and why that failed
ended=
trouble=

# what tells this machine, since it was switched on, from any other
machine() {
    echo "$(uname -n) $(cat /proc/sys/kernel/random/boot_id 2>/dev/null) $(readlink /proc/self/ns/pid 2>/dev/null)"
}

# when a process started; nothing if it has ended
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

# take this folder for the job of this script; fails if it was taken before
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
    sed -n "s/^$2=//p" "$1/lock/owner" 2>/dev/null
}

# the processes of the job that took a folder, as far as they live on this machine
living() { # folder spared
    script=$(owner "$1" pid)
    start=$(owner "$1" start)
    job=$(owner "$1" job)
    lives=no
    [ -n "$script" ] && [ -n "$start" ] && [ "$(started "$script")" = "$start" ] && lives=yes
    {
        [ "$lives" = yes ] && echo "$script"
        if [ -d /proc/self ] && [ -n "$job" ]; then
            grep -lF "CSE_JOB=$job" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3
        elif [ "$lives" = yes ]; then
            ps -A -o pid= -o pgid= | awk -v group="$(owner "$1" group)" '$2 == group { print $1 }'
        fi
    } | sort -u | grep -vx "$2"
}

# end the processes of a folder's job: first politely, then not; fails if one stays
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

# how long a job may give no sign of life: twice the time that its last run between two checkpoints took
patience() { # folder
    loop=$(sed -n 's/^Loop time of \([0-9]\{1,6\}\).*/\1/p' "$1/log.lammps" 2>/dev/null | tail -n 1)
    least=${CSE_QUIET_SECONDS:-60}
    seconds=$((2 * ${loop:-0}))
    [ "$seconds" -gt 900 ] && seconds=900
    [ "$seconds" -lt "$least" ] && seconds=$least
    echo "$seconds"
}

# whether nothing in a folder changes for a while
is_quiet() { # folder
    : >watch
    sleep "$(patience "$1")"
    [ -z "$(find "$1/" -newer watch ! -type d 2>/dev/null | head -n 1)" ]
}

# make sure that the job which took a folder writes no more; fails, with the reason in `trouble`, if it may
settle() { # folder
    [ -d "$1/lock" ] && [ ! -e "$1/lock/released" ] || return 0
    if [ "$(owner "$1" machine)" = "$(machine)" ]; then
        if ! end_processes "$1" none; then
            trouble="$1: its job cannot be ended on $(uname -n)"
            return 1
        fi
        # without /proc only those are found whose script still runs
        [ -d /proc/self ] && return 0
    fi
    is_quiet "$1" && return 0
    trouble="$1: a job on $(owner "$1" host) still writes there"
    return 1
}

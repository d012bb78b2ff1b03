# What is written down of a job: checksums, and what its log says of LAMMPS. Read by prologue.sh and epilogue.sh.

sha256() { # file
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1"
    else
        shasum -a 256 "$1"
    fi 2>/dev/null | cut -d ' ' -f 1
}

version_of() { # folder
    sed -n 's/^LAMMPS (\([^)"\\]*\)).*/\1/p' "$1/log.lammps" 2>/dev/null | head -n 1
}

# the number of MPI processes, null if it is not known
ranks_of() { # folder
    grep 'MPI processor grid' "$1/log.lammps" 2>/dev/null |
        awk '{ ranks = $1 * $3 * $5; exit } END { print ranks ? ranks : "null" }'
}

# fill a file with zeros; fails where there is no room for it
fill() { # file kilobytes
    dd if=/dev/zero of="$1" bs=1024 count="$2" 2>/dev/null
}

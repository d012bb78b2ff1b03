# Records of a job: checksums, version and ranks of LAMMPS from its log. Sourced by prologue.sh and epilogue.sh.

sha256() { # file
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1"
    else
        shasum -a 256 "$1"
    fi 2>/dev/null | cut -d ' ' -f 1
}

# checksum and size of the existing files, as JSON
files_of() { # folder file...
    in=$1
    shift
    separator='{'
    for file in "$@"; do
        [ -f "$in/$file" ] || continue
        printf '%s\n  "%s": {"sha256": "%s", "bytes": %s}' \
            "$separator" "$file" "$(sha256 "$in/$file")" "$(wc -c <"$in/$file" | tr -d ' ')"
        separator=,
    done
    [ "$separator" = , ] || printf '{'
    printf '\n }'
}

# checksum of a file that its job recorded; empty if there is none
recorded_sha256() { # folder file
    sed -n "s/^ *\"$2\": {\"sha256\": \"\([0-9a-f]*\)\".*/\1/p" "$1/end.json" 2>/dev/null
}

version_of() { # folder
    sed -n 's/^LAMMPS (\([^)"\\]*\)).*/\1/p' "$1/log.lammps" 2>/dev/null | head -n 1
}

# number of MPI processes, null if unknown
ranks_of() { # folder
    grep 'MPI processor grid' "$1/log.lammps" 2>/dev/null |
        awk '{ ranks = $1 * $3 * $5; exit } END { print ranks ? ranks : "null" }'
}

# fill a file with zeros; fails without sufficient space
fill() { # file kilobytes
    dd if=/dev/zero of="$1" bs=1024 count="$2" 2>/dev/null
}

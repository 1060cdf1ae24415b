# Sourced by the recipes of images: what they have in common. Needs say().

# Whose packages go into the guests: this machine's, for the programs that are built here must run there (they want its libc).
guest_suite() {
    case $(. /etc/os-release && echo "${VERSION_CODENAME:-}") in
    trixie) echo trixie ;;
    *) echo bookworm ;;
    esac
}

# The same mirror as this machine's apt, whichever that is.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$' | sed 's|/*$||' | grep . || {
        say "apt has no Debian archive configured: see /etc/apt/sources.list, then apt-get update"
        return 1
    }
}

# A list's lines, without comments, separated by commas. Of "a | b" the first that this machine's apt knows: names change between suites.
package_list() { # FILE
    sed -e 's/#.*//' -e 's/[[:space:]]*|[[:space:]]*/|/g' "$1" | tr -s '[:space:]' '\n' | while IFS='|' read -r first other; do
        [ -n "$first" ] || continue
        [ -z "$other" ] || apt-cache show "$first" >/dev/null 2>&1 || first=$other
        echo "$first"
    done | paste -sd,
}

# Copies modules, and what each depends on, into an initrd, uncompressed, as insmod wants them; `order` says in which order. What a module
# depends on stands in modules.dep, last needed first. (modprobe would leave out what the host has loaded.)
pack_modules() { # FOLDER_OF_MODULES INITRD NAME...
    modules=$1 initrd=$2
    shift 2
    for m in "$@"; do
        awk -v name="$m" '{ path = $1; sub(/:$/, "", path); base = path; sub(/.*\//, "", base); sub(/\.ko.*/, "", base)
            if (base == name) { for (i = NF; i > 1; i--) print $i; print path } }' "$modules/modules.dep"
    done | awk '!seen[$0]++' >"$work/modules"
    while read -r ko; do
        name=$(basename "${ko%.xz}")
        case $ko in
        *.xz) xz -dc "$modules/$ko" >"$initrd/modules/$name" ;;
        *) cp "$modules/$ko" "$initrd/modules/$name" ;;
        esac
        echo "$name"
    done <"$work/modules" >"$initrd/modules/order"
}

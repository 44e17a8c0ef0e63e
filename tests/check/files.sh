#!/bin/sh
#
# The project's own files whose paths match one of the patterns, one a line.
#
# usage: files.sh PATTERN...   such as '*.c' 'lib/*.h'; a star also matches slashes

set -eu
cd "$(dirname "$0")/../.."

# What git ignores is built, not written. A copy without git's records has to do with a guess.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard
else
    find . -name .git -prune -o -path './build*' -prune -o -type f -print | sed 's|^\./||'
fi | sort -u | while IFS= read -r file; do
    for pattern in "$@"; do
        # shellcheck disable=SC2254 # it is a pattern
        case $file in
        $pattern)
            if [ -f "$file" ]; then
                echo "$file"
            fi
            break
            ;;
        esac
    done
done

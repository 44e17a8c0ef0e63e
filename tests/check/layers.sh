#!/bin/sh
#
# Includes point down the layers, and programs see public headers alone.
#
# In lib, a layer includes itself, the layers below it and the public headers. There is no umbrella
# inside: the public one is for users, and no internal header consists of includes only.

set -eu
cd "$(dirname "$0")/../.."

# shellcheck disable=SC2016 # the dollars are awk's
tests/check/files.sh 'lib/*.c' 'lib/*.h' 'lib/*.S' 'server/*.[ch]' 'client/*.[ch]' | xargs -r awk '
BEGIN {
    count = split("base context sched sync io job", order, " ")
    for (i = 1; i <= count; i++)
        rank[order[i]] = i
    # These stand beside each other: none includes another.
    count = split("http debug patch", order, " ")
    for (i = 1; i <= count; i++)
        rank[order[i]] = 100
}

function complain(text)
{
    printf "%s:%d: %s\n", FILENAME, FNR, text
    bad = 1
}

function exists(path,    line, found)
{
    found = (getline line < path) >= 0
    close(path)
    return found
}

function first_of(path)
{
    return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : ""
}

function in_lib(path, quoted,    to)
{
    if (path ~ /^green\.h$/)
        complain("the umbrella <green.h> is for users of the library")
    if (path ~ /^green\//)
        return
    if (layer == "include") {
        if (quoted && !exists(directory "/" path))
            complain("a public header includes only public headers: " path)
        else if (path ~ /(^|\/)uv\.h$/)
            complain("public headers do without uv.h")
        return
    }
    if (!quoted)
        return
    if (path !~ /\//) {
        if (!exists(directory "/" path))
            complain("no such header in " directory ": " path)
        return
    }
    to = first_of(path)
    if (!(to in rank))
        complain("not a layer: " path)
    else if (to != layer && rank[to] >= rank[layer])
        complain("points up, from " layer " to " to ": " path)
}

function in_program(path, quoted)
{
    if (path ~ /^green(\.h$|\/)/)
        return
    if (path ~ /(^|\/)uv\.h$/ || first_of(path) in rank)
        complain("a program sees public headers alone: " path)
    else if (quoted && !exists(directory "/" path) && !exists(program "/" path))
        complain("neither public nor a header of " program ": " path)
}

function finish_header()
{
    if (name ~ /^lib\/.*\.h$/ && layer != "include" && includes > 1 && !other) {
        printf "%s: an internal umbrella: it holds nothing but includes\n", name
        bad = 1
    }
}

FNR == 1 {
    finish_header()
    name = FILENAME
    includes = other = comment = 0
    directory = name
    sub(/\/[^\/]*$/, "", directory)
    split(name, part, "/")
    program = part[1] == "lib" ? "" : part[1]
    layer = part[1] == "lib" ? part[2] : ""
    if (layer != "" && layer != "include" && !(layer in rank))
        complain("lib has no layer " layer)
}

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
    includes++
    quoted = $0 ~ /include[ \t]*"/
    path = $0
    sub(/^[^"<]*["<]/, "", path)
    sub(/[">].*$/, "", path)
    if (path ~ /(^|\/)\.\.\//)
        complain("leads out of its directory: " path)
    else if (program == "")
        in_lib(path, quoted)
    else
        in_program(path, quoted)
    next
}

# What is left is code, unless it is a comment, a directive or nothing.
comment { if (/\*\//) comment = 0; next }
/^[ \t]*\/\*/ { if (!/\*\//) comment = 1; next }
/^[ \t]*($|#|\/\/)/ { next }
{ other = 1 }

END {
    finish_header()
    exit bad
}'

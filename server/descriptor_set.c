#include "descriptor_set.h"

#include <string.h>

/* Field numbers of google/protobuf/descriptor.proto. */
enum { SET_FILE = 1, NAME = 1, FILE_PACKAGE = 2, FILE_DEPENDENCY = 3 };

/* What declares names: each kind has fields that are declarations of other kinds. */
typedef enum kind { IN_FILE, MESSAGE, ENUM, SERVICE, LEAF, NOTHING } kind;

enum { CHILD_FIELDS = 9 };

static const kind children[][CHILD_FIELDS] = {
    [IN_FILE] = {NOTHING, NOTHING, NOTHING, NOTHING, MESSAGE, ENUM, SERVICE, LEAF, NOTHING},
    [MESSAGE] = {NOTHING, NOTHING, LEAF, MESSAGE, ENUM, NOTHING, LEAF, NOTHING, LEAF},
    [ENUM] = {NOTHING, NOTHING, LEAF, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING},
    [SERVICE] = {NOTHING, NOTHING, LEAF, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING},
};

/* The first field of that number; empty: there is none. */
static wire_span find(wire_span message, uint32_t number)
{
    wire_field f;
    while (wire_next(&message, &f))
        if (f.number == number && f.type == WIRE_BYTES)
            return f.bytes;
    return (wire_span){0};
}

static bool equal(wire_span a, wire_span b)
{
    return a.count == b.count && (a.count == 0 || memcmp(a.bytes, b.bytes, a.count) == 0);
}

/* Takes a prefix and the dot behind it off the name. False: it has no such prefix. */
static bool take_scope(wire_span *name, wire_span prefix)
{
    if (prefix.count == 0 || prefix.count >= name->count ||
        memcmp(name->bytes, prefix.bytes, prefix.count) != 0 || name->bytes[prefix.count] != '.')
        return false;
    name->bytes += prefix.count + 1;
    name->count -= prefix.count + 1;
    return true;
}

/*
 * What the name is within a declaration. An enum's values are named beside the enum and not within:
 * their full names are those of its siblings.
 */
static kind look_up(kind scope, wire_span declaration, wire_span name)
{
    wire_field f;
    while (wire_next(&declaration, &f)) {
        if (f.type != WIRE_BYTES || f.number >= CHILD_FIELDS)
            continue;
        const kind child = children[scope][f.number];
        if (child == NOTHING)
            continue;
        const wire_span child_name = find(f.bytes, NAME);
        if (equal(child_name, name))
            return child;
        wire_span rest = name;
        kind found = NOTHING;
        if (child == ENUM)
            found = look_up(ENUM, f.bytes, name);
        else if (child != LEAF && take_scope(&rest, child_name))
            found = look_up(child, f.bytes, rest);
        if (found != NOTHING)
            return found;
    }
    return NOTHING;
}

wire_span descriptor_set_file(const descriptor_set *set, wire_span name)
{
    wire_span rest = set->bytes;
    wire_field file;
    while (wire_next(&rest, &file))
        if (file.number == SET_FILE && equal(find(file.bytes, NAME), name))
            return file.bytes;
    return (wire_span){0};
}

wire_span descriptor_set_symbol(const descriptor_set *set, wire_span symbol, bool *is_message)
{
    wire_span rest = set->bytes;
    wire_field file;
    while (wire_next(&rest, &file)) {
        wire_span name = symbol;
        const wire_span package = find(file.bytes, FILE_PACKAGE);
        if (package.count > 0 && !take_scope(&name, package))
            continue;
        const kind found = look_up(IN_FILE, file.bytes, name);
        *is_message = found == MESSAGE;
        if (found != NOTHING)
            return file.bytes;
    }
    *is_message = false;
    return (wire_span){0};
}

static bool contains(const wire_span *files, size_t count, wire_span file)
{
    for (size_t i = 0; i < count; i++)
        if (files[i].bytes == file.bytes)
            return true;
    return false;
}

size_t descriptor_set_closure(const descriptor_set *set, wire_span file,
                              wire_span out[DESCRIPTOR_SET_FILES])
{
    size_t count = 0;
    out[count++] = file;
    for (size_t i = 0; i < count; i++) {
        wire_span rest = out[i];
        wire_field f;
        while (wire_next(&rest, &f)) {
            if (f.number != FILE_DEPENDENCY)
                continue;
            const wire_span import = descriptor_set_file(set, f.bytes);
            if (import.count > 0 && count < DESCRIPTOR_SET_FILES && !contains(out, count, import))
                out[count++] = import;
        }
    }
    return count;
}

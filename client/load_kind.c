#include "load_kind.h"

static const char *const names[] = {
#define NAME(name, text, path) text,
    LOAD_KINDS(NAME)
#undef NAME
};

static const char *const paths[] = {
#define PATH(name, text, path) path,
    LOAD_KINDS(PATH)
#undef PATH
};

const char *load_kind_name(load_kind kind)
{
    return names[kind];
}

const char *load_kind_path(load_kind kind)
{
    return paths[kind];
}

bool load_kind_streams(load_kind kind)
{
    return kind == LOAD_SCORE_STREAM || kind == LOAD_APPEND_STREAM;
}

bool load_kind_appends(load_kind kind)
{
    return kind == LOAD_APPEND || kind == LOAD_APPEND_STREAM;
}

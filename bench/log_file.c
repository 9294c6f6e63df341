#include "log_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "model_file.h"

enum {
    LINE_BYTES = 256,
};

/* Makes room for one more element of an array that has a power of two of them, or none. */
static void *grown(void *array, size_t count, size_t element_bytes)
{
    if ((count & (count - 1)) != 0)
        return array;
    void *bigger = realloc(array, (count > 0 ? 2 * count : 1) * element_bytes);
    if (bigger == NULL)
        bench_fail("no memory for %zu elements", count);
    return bigger;
}

static gzFile open_log(const char *path)
{
    char line[LINE_BYTES];
    gzFile file = gzopen(path, "rb");
    if (file == NULL || gzgets(file, line, sizeof line) == NULL)
        bench_fail("%s cannot be read", path);
    return file;
}

/* The event type of a name. */
static uint32_t find_event_type(const vql_model *model, const char *name)
{
    const uint32_t types = vql_model_shape(model)->event_types;
    for (uint32_t type = 0; type < types; type++)
        if (strcmp(vql_model_event_type(model, type), name) == 0)
            return type;
    bench_fail("the model has no event type %s", name);
}

bench_histories bench_histories_read(const char *path, const vql_catalog *catalog)
{
    bench_histories made = {0};
    char line[LINE_BYTES];
    gzFile file = open_log(path);
    while (gzgets(file, line, sizeof line) != NULL) {
        uint64_t user_id;
        uint64_t item_id;
        int64_t time_ms;
        char type[32];
        if (sscanf(line, "%" SCNu64 "\t%" SCNu64 "\t%31s\t%" SCNd64, &user_id, &item_id, type,
                   &time_ms) != 4)
            bench_fail("%s: a line is not user, item, type, time: %s", path, line);
        if (made.users == 0 || made.user_ids[made.users - 1] != user_id) {
            made.user_ids = grown(made.user_ids, made.users, sizeof *made.user_ids);
            made.starts = grown(made.starts, made.users, sizeof *made.starts);
            made.user_ids[made.users] = user_id;
            made.starts[made.users++] = made.count;
        }
        made.events = grown(made.events, made.count, sizeof *made.events);
        made.events[made.count++] =
            (vql_cache_event){.time_ms = time_ms,
                              .row = vql_catalog_row(catalog, item_id),
                              .event_type = find_event_type(vql_catalog_model(catalog), type)};
    }
    gzclose(file);
    made.starts = grown(made.starts, made.users, sizeof *made.starts);
    made.starts[made.users] = made.count;
    return made;
}

void bench_histories_free(bench_histories *histories)
{
    free(histories->events);
    free(histories->user_ids);
    free(histories->starts);
}

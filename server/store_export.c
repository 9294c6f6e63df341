#include "store_export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "store_walk.h"

static bool write_event(void *context, uint64_t user_id, const event *e)
{
    return fprintf(context, "%" PRIu64 "\t%" PRIu64 "\t%" PRIu32 "\t%" PRId64 "\t%" PRIu64 "\n",
                   user_id, e->item_id, e->type, e->time_ms, e->id) > 0;
}

bool store_export(database *d, const char *path)
{
    const bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    if (!out) {
        log_error("cannot export", log_str("path", path), log_str("error", strerror(errno)));
        return false;
    }
    walk_totals totals;
    database_error error = {.text = ""};
    bool ok = fputs("user_id\titem_id\tevent_type\ttimestamp_ms\tevent_id\n", out) >= 0 &&
              store_walk(d, write_event, out, &totals, &error);
    ok = (standard ? fflush(out) : fclose(out)) == 0 && ok;
    if (ok)
        log_info("exported", log_str("path", path), log_u64("users", totals.users),
                 log_u64("events", totals.events));
    else
        log_error("cannot export", log_str("path", path),
                  log_str("error", error.text[0] ? error.text : strerror(errno)));
    return ok;
}

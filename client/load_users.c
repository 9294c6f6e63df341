#include "load_users.h"

#include <stdio.h>
#include <string.h>

#include "decimal.h"

#define MOST_USERS (UINT64_C(1) << 53) /* that doubles count */

/* What follows the prefix; NULL: text begins with something else. */
static const char *behind(const char *text, const char *prefix)
{
    const size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

bool load_users_init(load_users *u, const char *text, double exponent, char *error,
                     size_t error_bytes)
{
    *u = (load_users){.kind = LOAD_USERS_UNIFORM};
    const char *file = behind(text, "log:");
    if (file != NULL) {
        u->kind = LOAD_USERS_LOG;
        return load_ids_read(&u->ids, file, "user_id", error, error_bytes);
    }
    const char *zipf = behind(text, "zipf:");
    const char *uniform = behind(text, "uniform:");
    const char *number = zipf != NULL ? zipf : uniform != NULL ? uniform : text;
    uint64_t count;
    if (!decimal_parse(number, strlen(number), MOST_USERS, &count) || count == 0) {
        (void)snprintf(error, error_bytes,
                       "is \"%.80s\", but takes N, uniform:N or zipf:N, of 1 to %llu users, or "
                       "log:FILE",
                       text, (unsigned long long)MOST_USERS);
        return false;
    }
    u->ids = (load_ids){.first = 1, .count = count};
    if (zipf != NULL) {
        u->kind = LOAD_USERS_ZIPF;
        load_zipf_init(&u->zipf, count, exponent);
    }
    return true;
}

void load_users_free(load_users *u)
{
    load_ids_free(&u->ids);
}

uint64_t load_users_sample(const load_users *u, load_random *random)
{
    if (u->kind == LOAD_USERS_ZIPF)
        return load_zipf_draw(&u->zipf, random);
    return load_ids_at(&u->ids, load_random_below(random, u->ids.count));
}

uint64_t load_users_draw(load_users *u, load_random *random)
{
    if (u->kind != LOAD_USERS_LOG)
        return load_users_sample(u, random);
    const uint64_t id = load_ids_at(&u->ids, u->next);
    u->next = u->next + 1 < u->ids.count ? u->next + 1 : 0;
    return id;
}

#include "model_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "id_map.h"

model_set *model_set_new(const model_set *from)
{
    model_set *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    atomic_init(&s->references, 1);
    if (!from)
        return s;
    s->revision = from->revision + 1;
    s->count = from->count;
    s->active = from->active;
    for (size_t i = 0; i < from->count; i++) {
        s->entries[i] = from->entries[i];
        (void)version_share(s->entries[i].version);
    }
    return s;
}

model_set *model_set_share(model_set *s)
{
    (void)atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void model_set_release(model_set *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < s->count; i++)
        version_release(s->entries[i].version);
    free(s);
}

void model_set_add(model_set *s, version *v)
{
    s->entries[s->count++] = (model_entry){.version = version_share(v)};
}

void model_set_renew(model_set *s, size_t i, version *next)
{
    version_release(s->entries[i].version);
    s->entries[i].version = version_share(next);
}

void model_set_remove(model_set *s, size_t i)
{
    version_release(s->entries[i].version);
    s->count--;
    memmove(&s->entries[i], &s->entries[i + 1], (s->count - i) * sizeof s->entries[0]);
    if (s->active > i)
        s->active--;
}

const model_entry *model_set_find(const model_set *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->entries[i].version->name, name) == 0)
            return &s->entries[i];
    return NULL;
}

const model_entry *model_set_numbered(const model_set *s, uint64_t number)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->entries[i].version->number == number)
            return &s->entries[i];
    return NULL;
}

/*
 * A number that differs from version to version as much as from user to user. By the name, so that
 * a restart, and another server, divide the users in the same way.
 */
static uint64_t salt_of(const version *v)
{
    uint64_t salt = 0;
    for (const char *c = v->name; *c; c++)
        salt = id_hash(salt ^ (uint8_t)*c);
    return salt;
}

/* The user's distance from an entry, exponentially distributed with the rate of its weight. */
static double distance_of(const model_entry *entry, uint64_t user_id)
{
    const uint64_t hash = id_hash(id_hash(user_id) ^ salt_of(entry->version));
    const double uniform = ((double)(hash >> 11) + 0.5) * 0x1p-53;
    return -log(uniform) / entry->weight;
}

version *model_set_choose(const model_set *s, uint64_t user_id)
{
    const model_entry *nearest = &s->entries[s->active];
    double least = INFINITY;
    for (size_t i = 0; i < s->count; i++) {
        const model_entry *entry = &s->entries[i];
        const double distance = entry->weight > 0 ? distance_of(entry, user_id) : INFINITY;
        if (distance < least) {
            least = distance;
            nearest = entry;
        }
    }
    return nearest->version;
}

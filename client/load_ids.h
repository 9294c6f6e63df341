/*
 * A list of ids: a column of a table, or numbers in a row.
 */
#ifndef VQL_CLIENT_LOAD_IDS_H
#define VQL_CLIENT_LOAD_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct load_ids {
    uint64_t *ids; /* NULL: first … first + count - 1 */
    uint64_t first;
    uint64_t count;
} load_ids;

/*
 * Reads the column of that name of a file of tab-separated values, plain or gzipped, whose first
 * row has names; or, of a file whose first row has none, the first column. False: error, of
 * error_bytes, says what is wrong.
 */
bool load_ids_read(load_ids *out, const char *path, const char *column, char *error,
                   size_t error_bytes);
void load_ids_free(load_ids *ids);

static inline uint64_t load_ids_at(const load_ids *ids, uint64_t i)
{
    return ids->ids != NULL ? ids->ids[i] : ids->first + i;
}

#endif

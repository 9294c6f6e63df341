/*
 * A model and its catalog for measurements, or the end of the program.
 */
#ifndef VQL_BENCH_MODEL_FILE_H
#define VQL_BENCH_MODEL_FILE_H

#include "vql/catalog.h"

typedef struct bench_model {
    vql_model *model;
    vql_catalog *catalog;
} bench_model;

/* Reads a model file; table_bytes as for vql_catalog_build. */
bench_model bench_model_read(const char *path, size_t table_bytes);
void bench_model_free(bench_model *model);

/* Says what went wrong and ends the program. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Seconds of a clock that only goes forward. */
double bench_seconds(void);

/* Bytes of this process in memory. */
size_t bench_resident_bytes(void);

#endif

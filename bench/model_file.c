#include "model_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "model_load.h"

enum { MAX_GIB = 64 };

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

size_t bench_resident_bytes(void)
{
    unsigned long long total;
    unsigned long long resident;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%llu %llu", &total, &resident) != 2)
        bench_fail("/proc/self/statm cannot be read");
    fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

bench_model bench_model_read(const char *path, size_t table_bytes)
{
    loaded_model made;
    vql_error error;
    const vql_catalog_options options = {.table_bytes = table_bytes, .format = VQL_SCORING_F32};
    if (model_load(path, MAX_GIB, &options, &made, &error) != VQL_OK)
        bench_fail("%s", error.text);
    return (bench_model){made.model, made.catalog};
}

void bench_model_free(bench_model *model)
{
    vql_catalog_free(model->catalog);
    vql_model_free(model->model);
}

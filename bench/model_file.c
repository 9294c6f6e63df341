#include "model_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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
    bench_model made;
    vql_error error;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        bench_fail("%s cannot be opened", path);
    fseek(file, 0, SEEK_END);
    const size_t count = (size_t)ftell(file);
    rewind(file);
    void *bytes = malloc(count);
    if (bytes == NULL || fread(bytes, 1, count, file) != count)
        bench_fail("%s cannot be read", path);
    fclose(file);
    if (vql_model_parse(bytes, count, NULL, &made.model, &error) != VQL_OK ||
        vql_catalog_build(made.model, table_bytes, NULL, &made.catalog, &error) != VQL_OK)
        bench_fail("%s: %s", path, error.text);
    free(bytes);
    return made;
}

void bench_model_free(bench_model *model)
{
    vql_catalog_free(model->catalog);
    vql_model_free(model->model);
}

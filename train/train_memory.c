#include "train_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_LINE = 64 };

static _Noreturn void exhausted(size_t count, size_t size)
{
    fprintf(stderr, "vql-train: out of memory: %zu elements of %zu bytes\n", count, size);
    exit(EXIT_FAILURE);
}

static void *take(size_t count, size_t size)
{
    if (count > (SIZE_MAX / 2) / size)
        exhausted(count, size);
    const size_t bytes = (count * size + MEMORY_LINE) / MEMORY_LINE * MEMORY_LINE;
    void *memory = aligned_alloc(MEMORY_LINE, bytes);
    if (memory == NULL)
        exhausted(count, size);
    return memory;
}

void *memory_zeros(size_t count, size_t size)
{
    return memset(take(count, size), 0, count * size);
}

void *memory_reserve(memory_buffer *buffer, size_t count, size_t size)
{
    if (buffer->data != NULL && count <= buffer->bytes / size)
        return buffer->data;
    free(buffer->data);
    buffer->data = NULL;
    const size_t ample = count + count / 4;
    buffer->data = take(ample, size);
    buffer->bytes = ample * size;
    return buffer->data;
}

float *memory_floats(memory_buffer *buffer, size_t count)
{
    return memory_reserve(buffer, count, sizeof(float));
}

uint32_t *memory_integers(memory_buffer *buffer, size_t count)
{
    return memory_reserve(buffer, count, sizeof(uint32_t));
}

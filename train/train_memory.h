/*
 * Memory of the trainer. When there is none the program ends with a message: a training that cannot
 * have its memory has nothing else to do.
 */
#ifndef VQL_TRAIN_TRAIN_MEMORY_H
#define VQL_TRAIN_TRAIN_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* count elements of `size` bytes, all zeros, on a cache line; release with free. Never NULL. */
void *memory_zeros(size_t count, size_t size);

/* Scratch memory that grows: it begins as all zeros, and is released by free(data). */
typedef struct memory_buffer {
    void *data;
    size_t bytes;
} memory_buffer;

/* Room for count elements; what it held is lost when it grows. Never NULL. */
void *memory_reserve(memory_buffer *buffer, size_t count, size_t size);
float *memory_floats(memory_buffer *buffer, size_t count);
uint32_t *memory_integers(memory_buffer *buffer, size_t count);

#endif

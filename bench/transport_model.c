/*
 * Writes a model whose scores cost next to nothing, for bench/transport.py: what is left is the
 * transport. The ids of its items are 1 to 20,000.
 *
 *   bench_transport_model PATH
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "model_writer.h"

enum { ITEMS = 20000 };

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_transport_model PATH\n");
        return EXIT_FAILURE;
    }
    model_spec spec = model_spec_default(2);
    spec.items = ITEMS + 1;
    spec.item_width = 1;
    spec.event_types = 1;
    spec.type_width = 1;
    spec.heads = 1;
    spec.head_width = 1;
    spec.groups = 1;
    spec.codewords[0] = 1;
    spec.kernels = 1;
    spec.tasks = 1;
    spec.layer_count = 1;
    spec.field_count = 0;
    model_writer *writer = model_writer_new(&spec);
    int64_t *ids = model_writer_i64(writer, "item.id");
    for (int64_t row = 0; row <= ITEMS; row++)
        ids[row] = row;
    size_t count;
    uint8_t *bytes = model_writer_serialize(writer, &count);
    FILE *file = fopen(argv[1], "wb");
    const bool written = file != NULL && fwrite(bytes, 1, count, file) == count;
    if ((file != NULL && fclose(file) != 0) || !written) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    free(bytes);
    model_writer_free(writer);
    return EXIT_SUCCESS;
}

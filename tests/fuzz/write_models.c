/*
 * Writes a few small model files of random shape into a folder, as inputs for the target that reads
 * them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model_writer.h"

enum { MODELS = 6 };

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    for (unsigned seed = 0; seed < MODELS; seed++) {
        char path[4096];
        size_t count;
        const model_spec spec = seed == 0 ? model_spec_default(1) : model_spec_random(seed);
        model_writer *writer = model_writer_new(&spec);
        uint8_t *bytes = model_writer_serialize(writer, &count);
        (void)snprintf(path, sizeof path, "%s/model%u", argv[1], seed);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
            return 1;
        free(bytes);
        model_writer_free(writer);
    }
    return 0;
}

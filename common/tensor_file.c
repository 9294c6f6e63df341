#include "tensor_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "new_file.h"

enum { LENGTH_BYTES = 8 };

size_t tensor_file_bytes(const tensor_file_tensor *tensor)
{
    size_t bytes = tensor->width;
    for (uint32_t i = 0; i < tensor->rank; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

/* Adds a tensor's entry. */
static bool add_tensor(json_t *header, const tensor_file_tensor *tensor, size_t begin, size_t end)
{
    json_t *shape = json_array();
    if (shape == NULL)
        return false;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i])) != 0) {
            json_decref(shape);
            return false;
        }
    }
    return json_object_set_new(header, tensor->name,
                               json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->type, "shape",
                                         shape, "data_offsets", (json_int_t)begin,
                                         (json_int_t)end)) == 0;
}

static bool add_notes(json_t *header, const tensor_file *file)
{
    json_t *notes = json_object();
    bool added = notes != NULL;
    for (size_t i = 0; added && i < file->note_count; i++)
        added =
            json_object_set_new(notes, file->notes[i].key, json_string(file->notes[i].value)) == 0;
    if (!added) {
        json_decref(notes);
        return false;
    }
    return json_object_set_new(header, "__metadata__", notes) == 0;
}

/* The header as a text; the caller frees it. */
static char *make_text(const tensor_file *file)
{
    json_t *header = json_object();
    bool made = header != NULL && add_notes(header, file);
    size_t end = 0;
    for (size_t i = 0; made && i < file->tensor_count; i++) {
        const size_t begin = end;
        end += tensor_file_bytes(&file->tensors[i]);
        made = add_tensor(header, &file->tensors[i], begin, end);
    }
    char *text = made ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

char *tensor_file_header(const tensor_file *file, size_t *bytes)
{
    char *text = make_text(file);
    if (text == NULL)
        return NULL;
    const size_t length = strlen(text);
    const size_t padded = (length + LENGTH_BYTES - 1) / LENGTH_BYTES * LENGTH_BYTES;
    char *header = malloc(LENGTH_BYTES + padded);
    if (header != NULL) {
        for (size_t i = 0; i < LENGTH_BYTES; i++)
            header[i] = (char)(unsigned char)(padded >> (8 * i) & 0xFF);
        memcpy(header + LENGTH_BYTES, text, length);
        memset(header + LENGTH_BYTES + length, ' ', padded - length);
        *bytes = LENGTH_BYTES + padded;
    }
    free(text);
    return header;
}

int tensor_file_write(const tensor_file *file, const char *path)
{
    size_t header_bytes;
    new_file out;
    char *header = tensor_file_header(file, &header_bytes);
    if (header == NULL)
        return ENOMEM;
    int error = new_file_open(&out, path);
    if (error == 0) {
        bool written = fwrite(header, 1, header_bytes, out.stream) == header_bytes;
        for (size_t i = 0; written && i < file->tensor_count; i++) {
            const size_t bytes = tensor_file_bytes(&file->tensors[i]);
            written = bytes == 0 || fwrite(file->tensors[i].data, 1, bytes, out.stream) == bytes;
        }
        error = written ? 0 : errno;
        const int close_error = new_file_close(&out, written);
        error = error != 0 ? error : close_error;
    }
    free(header);
    return error;
}

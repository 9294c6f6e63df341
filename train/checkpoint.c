#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "vql/safetensors.h"
#include "whole_file.h"

enum { MAX_GIB = 1024, OWN_NOTES = 2 };

static const checkpoint_note own_notes[OWN_NOTES] = {{"format", "vql-checkpoint"},
                                                     {"format_version", "1"}};

static const struct {
    const char *name;
    size_t width;
    vql_dtype dtype;
} types[] = {
    [STATE_F32] = {"F32", 4, VQL_DTYPE_F32},
    [STATE_F64] = {"F64", 8, VQL_DTYPE_F64},
    [STATE_U64] = {"U64", 8, VQL_DTYPE_U64},
};

vql_code checkpoint_write(const char *path, const checkpoint_note *notes, size_t note_count,
                          const trainer_state *states, size_t count, vql_error *error)
{
    checkpoint_note *all = calloc(OWN_NOTES + note_count, sizeof *all);
    tensor_file_tensor *tensors = calloc(count + 1, sizeof *tensors);
    int failure = -1;
    if (all != NULL && tensors != NULL) {
        memcpy(all, own_notes, sizeof own_notes);
        if (note_count > 0)
            memcpy(all + OWN_NOTES, notes, note_count * sizeof *notes);
        for (size_t i = 0; i < count; i++)
            tensors[i] = (tensor_file_tensor){.name = states[i].name,
                                              .type = types[states[i].type].name,
                                              .width = types[states[i].type].width,
                                              .rank = 1,
                                              .shape = {states[i].count},
                                              .data = states[i].data};
        const tensor_file file = {all, OWN_NOTES + note_count, tensors, count};
        failure = tensor_file_write(&file, path);
    }
    free(all);
    free(tensors);
    if (failure < 0)
        return vql_fail(error, VQL_NO_MEMORY, "%s: no memory for %zu states", path, count);
    return failure == 0 ? VQL_OK : vql_fail(error, VQL_FORMAT, "%s: %s", path, strerror(failure));
}

static vql_code check_note(const char *path, const vql_safetensors *file,
                           const checkpoint_note *note, vql_error *error)
{
    const char *found = vql_safetensors_metadata(file, note->key);
    if (found != NULL && strcmp(found, note->value) == 0)
        return VQL_OK;
    return vql_fail(error, VQL_MISMATCH, "%s: was made with %s \"%.40s\", now it is \"%.40s\"",
                    path, note->key, found != NULL ? found : "", note->value);
}

static vql_code check_state(const char *path, const vql_safetensors *file,
                            const trainer_state *state, vql_error *error)
{
    const vql_tensor *tensor = vql_safetensors_tensor(file, state->name);
    if (tensor == NULL)
        return vql_fail(error, VQL_SHAPE, "%s: has no tensor %s", path, state->name);
    if (tensor->dtype == types[state->type].dtype && tensor->elements == state->count)
        return VQL_OK;
    return vql_fail(error, VQL_SHAPE, "%s: tensor %s is %llu of %s, wanted are %zu of %s", path,
                    state->name, (unsigned long long)tensor->elements,
                    vql_dtype_name(tensor->dtype), state->count, types[state->type].name);
}

/* Checks all, then copies all. */
static vql_code take(const char *path, const vql_safetensors *file, const checkpoint_note *notes,
                     size_t note_count, const trainer_state *states, size_t count, vql_error *error)
{
    const char *format = vql_safetensors_metadata(file, own_notes[0].key);
    if (format == NULL || strcmp(format, own_notes[0].value) != 0)
        return vql_fail(error, VQL_FORMAT, "%s: not a checkpoint of vql-train", path);
    if (check_note(path, file, &own_notes[1], error) != VQL_OK)
        return VQL_VERSION;
    for (size_t i = 0; i < note_count; i++) {
        const vql_code code = check_note(path, file, &notes[i], error);
        if (code != VQL_OK)
            return code;
    }
    for (size_t i = 0; i < count; i++) {
        const vql_code code = check_state(path, file, &states[i], error);
        if (code != VQL_OK)
            return code;
    }
    for (size_t i = 0; i < count; i++)
        if (states[i].count > 0)
            memcpy(states[i].data, vql_safetensors_tensor(file, states[i].name)->data,
                   states[i].count * types[states[i].type].width);
    return VQL_OK;
}

vql_code checkpoint_read(const char *path, const checkpoint_note *notes, size_t note_count,
                         const trainer_state *states, size_t count, vql_error *error)
{
    void *bytes;
    size_t size;
    whole_file_error unread;
    vql_error cause;
    vql_safetensors file;
    const whole_file_result result = whole_file_read(path, MAX_GIB, &bytes, &size, &unread);
    if (result != WHOLE_FILE_OK)
        return vql_fail(error, result == WHOLE_FILE_NO_MEMORY ? VQL_NO_MEMORY : VQL_FORMAT, "%s",
                        unread.text);
    vql_code code = vql_safetensors_parse(bytes, size, vql_allocator_default(), &file, &cause);
    if (code == VQL_OK) {
        code = take(path, &file, notes, note_count, states, count, error);
        vql_safetensors_release(&file);
    } else {
        code = vql_fail(error, code, "%s: %s", path, cause.text);
    }
    free(bytes);
    return code;
}

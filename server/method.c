#include "method.h"

#include "model_calls.h"

const method method_score = {.scope = TOKEN_SCOPE_SCORE,
                             .decode = decode_score,
                             .encode = encode_score,
                             .most = encode_score_most};
const method method_score_stream = {.streaming = true,
                                    .scope = TOKEN_SCOPE_SCORE,
                                    .decode = decode_score,
                                    .encode = encode_score,
                                    .most = encode_score_most};
const method method_append = {
    .scope = TOKEN_SCOPE_APPEND, .decode = decode_append, .encode = encode_append};
const method method_append_stream = {.streaming = true,
                                     .scope = TOKEN_SCOPE_APPEND,
                                     .decode = decode_append,
                                     .encode = encode_append};
const method method_get = {.scope = TOKEN_SCOPE_APPEND, .decode = decode_get, .encode = encode_get};
const method method_delete = {
    .scope = TOKEN_SCOPE_APPEND, .decode = decode_delete, .encode = encode_delete};
const method method_upsert_many = {
    .decode = decode_upsert_later, .encode = encode_upserted, .controls = true};
const method method_list_models = {.scope = TOKEN_SCOPE_ANY, .answer = model_calls_list};
const method method_load_model = {.decode = decode_load, .controls = true};
const method method_activate_model = {.answer = model_calls_activate};
const method method_unload_model = {.answer = model_calls_unload};

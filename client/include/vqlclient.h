/*
 * libvqlclient: an asynchronous client of the vql server, on a libuv loop that the caller owns.
 *
 *   vqlc_channel   one server, connected and reconnected in the background
 *   vqlc_call      one request, one answer: vqlc_score, vqlc_append, vqlc_get, vqlc_delete, ...
 *   vqlc_stream    many requests, one answer each, in order: vqlc_score_stream, vqlc_append_stream
 *
 * Requests and answers are the protobuf-c messages of proto/vql/v1, whose comments say what their
 * fields mean. A request is copied before the function returns; an answer is valid during the
 * callback that brings it.
 *
 * Every call and stream that was started is told of its end exactly once, and no callback is ever
 * called from inside a function of this header. Any of these functions may be called from inside a
 * callback.
 *
 * Threads: everything of a channel happens on the thread that runs its loop. Memory is bounded by
 * vqlc_channel_options, and by what the caller starts and does not wait for. libuv writes to
 * sockets without MSG_NOSIGNAL: a program should ignore SIGPIPE.
 */
#ifndef VQL_CLIENT_VQLCLIENT_H
#define VQL_CLIENT_VQLCLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "grpc/health/v1/health.pb-c.h"
#include "vql/v1/history.pb-c.h"
#include "vql/v1/models.pb-c.h"
#include "vql/v1/scoring.pb-c.h"

/* gRPC's status codes: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
/* clang-format off */
#define VQLC_STATUSES(X)                                                                           \
    X(0, OK) X(1, CANCELLED) X(2, UNKNOWN) X(3, INVALID_ARGUMENT) X(4, DEADLINE_EXCEEDED)          \
    X(5, NOT_FOUND) X(6, ALREADY_EXISTS) X(7, PERMISSION_DENIED) X(8, RESOURCE_EXHAUSTED)          \
    X(9, FAILED_PRECONDITION) X(10, ABORTED) X(11, OUT_OF_RANGE) X(12, UNIMPLEMENTED)              \
    X(13, INTERNAL) X(14, UNAVAILABLE) X(15, DATA_LOSS) X(16, UNAUTHENTICATED)
/* clang-format on */

typedef enum vqlc_status {
#define VQLC_STATUS_ENUM(number, name) VQLC_##name = number,
    VQLC_STATUSES(VQLC_STATUS_ENUM)
#undef VQLC_STATUS_ENUM
} vqlc_status;

/* "INVALID_ARGUMENT"; a static string. */
const char *vqlc_status_name(vqlc_status status);

/* How a call or a stream ended; valid during the callback. */
typedef struct vqlc_result {
    vqlc_status status;

    /* Terminated; "" when there is nothing to say. */
    const char *message;

    /* The server asks for a retry after so many milliseconds (gRFC A6); -1: it does not. */
    int64_t pushback_ms;

    /*
     * The status is the server's own. False when it was made here or by something in between: the
     * connection failed, the deadline passed while waiting, a proxy answered.
     */
    bool from_server;
} vqlc_result;

/* TLS */

/* How a server is trusted, and what it is shown: for any number of channels. */
typedef struct vqlc_tls vqlc_tls;

/* Texts are needed during vqlc_tls_new only; each may be NULL. */
typedef struct vqlc_tls_options {
    const char *ca_file; /* PEM: who may sign the server's certificate; NULL: the system's */
    const char *certificate_file; /* PEM: the client's own, for a server that asks for one */
    const char *key_file;         /* PEM, not encrypted: with the certificate only */
    const char *server_name;      /* what the certificate must say; NULL: the channel's host */
} vqlc_tls_options;

/*
 * Reads the files. The server must speak TLS 1.2 with authenticated encryption, or TLS 1.3, and
 * HTTP/2 by ALPN, and its certificate is checked, name and all. NULL: error, of error_bytes, names
 * the file and what is wrong with it.
 */
vqlc_tls *vqlc_tls_new(const vqlc_tls_options *options, char *error, size_t error_bytes);

/* After the channels that use it are closed. NULL is ignored. */
void vqlc_tls_free(vqlc_tls *tls);

/* Channels */

typedef struct vqlc_channel vqlc_channel;

/* A bearer token has at most so many characters. */
#define VQLC_MAX_TOKEN_BYTES 256

typedef struct vqlc_channel_options {
    uint32_t max_message_bytes;  /* an answer; a larger one is RESOURCE_EXHAUSTED */
    uint32_t max_unsent_bytes;   /* requests waiting in one stream before it is full */
    uint32_t max_waiting_calls;  /* calls not yet sent; one more is UNAVAILABLE */
    uint32_t connect_timeout_ms; /* for name resolution and connection, and for TLS again */
    uint32_t min_backoff_ms;     /* between attempts to connect: grows by 1.6 from the one */
    uint32_t max_backoff_ms;     /* to the other, each up to a fifth longer or shorter */
    const vqlc_tls *tls;         /* must outlive the channel; NULL: nothing is encrypted */
    const char *token;           /* sent as a bearer token with every call; copied; NULL: none */
} vqlc_channel_options;

/* 4 MiB and 64 KiB, 1 MiB, 16384 calls, 20 s, 1 s, 120 s; no TLS, no token. */
void vqlc_channel_defaults(vqlc_channel_options *options);

/*
 * Makes a channel to `server` ("HOST:PORT", "[IPV6]:PORT", or "unix:/PATH", which is without TLS)
 * and begins to connect. options may be NULL: the defaults. Returns 0, UV_EINVAL when server is not
 * of that form or the token not 1 to VQLC_MAX_TOKEN_BYTES visible ASCII characters, UV_ENOMEM, or
 * another error of libuv; *channel is set only with 0. The loop does not end while the channel is
 * open.
 */
int vqlc_channel_open(uv_loop_t *loop, const char *server, const vqlc_channel_options *options,
                      vqlc_channel **channel);

/*
 * Closes the channel, once: calls and streams that are still open end with CANCELLED, then
 * on_closed(arg) is called (on_closed may be NULL) and the channel is invalid. Until then it starts
 * no more calls. The loop must be run until on_closed, which may have to wait for a name that is
 * being resolved.
 */
void vqlc_channel_close(vqlc_channel *channel, void (*on_closed)(void *arg), void *arg);

/* Calls */

typedef struct vqlc_call vqlc_call;

typedef struct vqlc_call_options {
    /* The call ends with DEADLINE_EXCEEDED this long from now, wherever it is; 0: no deadline. */
    uint32_t deadline_ms;

    /* Wait while the server cannot be reached instead of ending with UNAVAILABLE. */
    bool wait_for_ready;
} vqlc_call_options;

/* answer is NULL unless result->status is VQLC_OK; both are valid during the callback. */
typedef void (*vqlc_score_done)(const vqlc_result *result, const Vql__V1__ScoreResponse *answer,
                                void *arg);
typedef void (*vqlc_append_done)(const vqlc_result *result, const Vql__V1__AppendResponse *answer,
                                 void *arg);
typedef void (*vqlc_get_done)(const vqlc_result *result, const Vql__V1__GetResponse *answer,
                              void *arg);
typedef void (*vqlc_delete_done)(const vqlc_result *result, const Vql__V1__DeleteResponse *answer,
                                 void *arg);
typedef void (*vqlc_models_done)(const vqlc_result *result,
                                 const Vql__V1__ListModelsResponse *answer, void *arg);
typedef void (*vqlc_upsert_items_done)(const vqlc_result *result,
                                       const Vql__V1__UpsertItemsResponse *answer, void *arg);
typedef void (*vqlc_health_done)(const vqlc_result *result,
                                 const Grpc__Health__V1__HealthCheckResponse *answer, void *arg);

/*
 * Start a call: Scoring.Score, History.Append, Get and Delete, Models.List and UpsertItems,
 * Health.Check. options may be NULL: no deadline, fail fast. The user's id goes along as x-vql-
 * user, for proxies that route by it. The handle is valid until on_done returns. NULL when there
 * is no memory or the channel is closed: on_done will not be called.
 */
vqlc_call *vqlc_score(vqlc_channel *channel, const Vql__V1__ScoreRequest *request,
                      const vqlc_call_options *options, vqlc_score_done on_done, void *arg);
vqlc_call *vqlc_append(vqlc_channel *channel, const Vql__V1__AppendRequest *request,
                       const vqlc_call_options *options, vqlc_append_done on_done, void *arg);
vqlc_call *vqlc_get(vqlc_channel *channel, const Vql__V1__GetRequest *request,
                    const vqlc_call_options *options, vqlc_get_done on_done, void *arg);
vqlc_call *vqlc_delete(vqlc_channel *channel, const Vql__V1__DeleteRequest *request,
                       const vqlc_call_options *options, vqlc_delete_done on_done, void *arg);
vqlc_call *vqlc_models(vqlc_channel *channel, const vqlc_call_options *options,
                       vqlc_models_done on_done, void *arg);
vqlc_call *vqlc_upsert_items(vqlc_channel *channel, const Vql__V1__UpsertItemsRequest *request,
                             const vqlc_call_options *options, vqlc_upsert_items_done on_done,
                             void *arg);

/* Change which models there are; the answer is what vqlc_models would say then. */
vqlc_call *vqlc_load_model(vqlc_channel *channel, const Vql__V1__LoadModelRequest *request,
                           const vqlc_call_options *options, vqlc_models_done on_done, void *arg);
vqlc_call *vqlc_activate_model(vqlc_channel *channel, const Vql__V1__ActivateModelRequest *request,
                               const vqlc_call_options *options, vqlc_models_done on_done,
                               void *arg);
vqlc_call *vqlc_unload_model(vqlc_channel *channel, const Vql__V1__UnloadModelRequest *request,
                             const vqlc_call_options *options, vqlc_models_done on_done, void *arg);
vqlc_call *vqlc_health(vqlc_channel *channel, const char *service, const vqlc_call_options *options,
                       vqlc_health_done on_done, void *arg);

/* Ends the call with CANCELLED, here and at the server; on_done follows. */
void vqlc_call_cancel(vqlc_call *call);

/* Streams */

typedef struct vqlc_stream vqlc_stream;

/* What a stream tells its owner. Members that are NULL are not called; on_done must be given. */
typedef struct vqlc_stream_handler {
    /* The next answer, in the order of the requests: of a score stream, of an append stream. */
    void (*on_score)(vqlc_stream *stream, const Vql__V1__ScoreResponse *answer, void *arg);
    void (*on_append)(vqlc_stream *stream, const Vql__V1__AppendResponse *answer, void *arg);

    /* The stream was full and has room again. */
    void (*on_writable)(vqlc_stream *stream, void *arg);

    /*
     * The stream is over. With VQLC_OK every request was answered; otherwise those that were
     * answered before hold. The stream is invalid when this returns.
     */
    void (*on_done)(vqlc_stream *stream, const vqlc_result *result, void *arg);
} vqlc_stream_handler;

/*
 * Open a stream: Scoring.ScoreStream, History.AppendStream. The requests may be of any users;
 * user_id is the one that x-vql-user names. handler must outlive the stream. NULL when there is no
 * memory or the channel is closed: on_done will not be called.
 */
vqlc_stream *vqlc_score_stream(vqlc_channel *channel, uint64_t user_id,
                               const vqlc_call_options *options, const vqlc_stream_handler *handler,
                               void *arg);
vqlc_stream *vqlc_append_stream(vqlc_channel *channel, uint64_t user_id,
                                const vqlc_call_options *options,
                                const vqlc_stream_handler *handler, void *arg);

/*
 * Queue a request on a stream of that kind. False when it is full (see vqlc_stream_writable), half
 * closed, over, or there is no memory: nothing was queued.
 */
bool vqlc_stream_send_score(vqlc_stream *stream, const Vql__V1__ScoreRequest *request);
bool vqlc_stream_send_append(vqlc_stream *stream, const Vql__V1__AppendRequest *request);

/*
 * Whether a request may be queued: the stream is open and not full. It is full when requests of
 * max_unsent_bytes or more wait for the server to take them, and has room again, which on_writable
 * tells, when less than half of that waits.
 */
bool vqlc_stream_writable(const vqlc_stream *stream);

/* There will be no more requests: the stream ends when the server has answered them all. */
void vqlc_stream_half_close(vqlc_stream *stream);

/* Ends the stream with CANCELLED, here and at the server; on_done follows. */
void vqlc_stream_cancel(vqlc_stream *stream);

#endif

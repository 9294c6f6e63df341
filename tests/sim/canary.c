/*
 * Bugs planted into the server, one a build (VQL_CANARY), that the simulator must find. They are
 * put between the server's files by the linker (--wrap), so that its sources know nothing of them.
 * Each strikes now and then, by the seed's dice.
 */
#include <stdlib.h>
#include <string.h>

#include "byte_queue.h"
#include "limit.h"
#include "post.h"
#include "residents.h"
#include "store.h"
#include "world.h"

#if VQL_CANARY == 7
#include <nghttp2/nghttp2.h>
#endif

/* Whether the bug strikes: once in so many times. */
static bool strikes(uint32_t once_in)
{
    return below(once_in) == 0;
}

#if VQL_CANARY <= 3

/* The store in memory, with one operation of its own. */
static store_operations operations;
static const store_operations *memory;

store *__real_store_memory_open(void);
store *__wrap_store_memory_open(void);

#if VQL_CANARY == 1

/* An event's id is not looked at: it is applied twice. */
static store_code append(store *s, uint64_t user_id, event *events, size_t *count,
                         history_info *info, store_code *code)
{
    if (*count > 0 && strikes(20))
        events[0].id = 0;
    return memory->append(s, user_id, events, count, info, code);
}

#elif VQL_CANARY == 2

/* An append is answered and lost. */
static store_code append(store *s, uint64_t user_id, event *events, size_t *count,
                         history_info *info, store_code *code)
{
    if (*count == 0 || !strikes(200))
        return memory->append(s, user_id, events, count, info, code);
    const store_code known = memory->info(s, user_id, info);
    info->sequence += *count;
    return known;
}

#else

/* A cache that is made again after an eviction has one event in the place of another. */
static store_code read_events(store *s, uint64_t user_id, uint64_t first, event *out, size_t max,
                              size_t *count)
{
    const store_code code = memory->read(s, user_id, first, out, max, count);
    if (*count > 1 && max == LIMIT_REBUILD_CHUNK && strikes(2))
        out[*count - 1].item_id = out[0].item_id;
    return code;
}

#endif

store *__wrap_store_memory_open(void)
{
    store *s = __real_store_memory_open();
    if (!s)
        return NULL;
    memory = s->operations;
    operations = *memory;
#if VQL_CANARY == 3
    operations.read = read_events;
#else
    operations.append = append;
#endif
    s->operations = &operations;
    return s;
}

#elif VQL_CANARY == 4

/* Two answers of a stream change places. */
static struct {
    call *call;
    uint8_t *message;
    size_t bytes;
} late;

bool __real_call_send(call *c, const uint8_t *message, size_t bytes);
void __real_call_fail(call *c, const grpc_error *error);
bool __wrap_call_send(call *c, const uint8_t *message, size_t bytes);
void __wrap_call_fail(call *c, const grpc_error *error);
void __real_call_finish(call *c, grpc_status status, const char *message, int64_t pushback_ms);
void __wrap_call_finish(call *c, grpc_status status, const char *message, int64_t pushback_ms);

static bool send_late(call *c)
{
    if (late.call != c)
        return true;
    const bool sent = __real_call_send(c, late.message, late.bytes);
    free(late.message);
    memset(&late, 0, sizeof late);
    return sent;
}

bool __wrap_call_send(call *c, const uint8_t *message, size_t bytes)
{
    if (!late.call && strikes(50)) {
        late.call = c;
        late.bytes = bytes;
        late.message = malloc(bytes + 1);
        memcpy(late.message, message, bytes);
        return true;
    }
    return __real_call_send(c, message, bytes) && send_late(c);
}

void __wrap_call_fail(call *c, const grpc_error *error)
{
    (void)send_late(c);
    __real_call_fail(c, error);
}

void __wrap_call_finish(call *c, grpc_status status, const char *message, int64_t pushback_ms)
{
    (void)send_late(c);
    __real_call_finish(c, status, message, pushback_ms);
}

#elif VQL_CANARY == 5

/* A thread that got something is not woken. */
void __real_post_wake(post *p, void (*wake)(void *context, uint32_t index), void *context);
void __wrap_post_wake(post *p, void (*wake)(void *context, uint32_t index), void *context);

void __wrap_post_wake(post *p, void (*wake)(void *context, uint32_t index), void *context)
{
    if (strikes(100))
        memset(p->to_wake, 0, p->count * sizeof *p->to_wake);
    __real_post_wake(p, wake, context);
}

#elif VQL_CANARY == 6

/* A job whose caller has gone does not come back to its pool. */
void __real_service_complete(service *s, job *j);
void __wrap_service_complete(service *s, job *j);

void __wrap_service_complete(service *s, job *j)
{
    if (j->exchange || !strikes(20))
        __real_service_complete(s, j);
}

#elif VQL_CANARY == 7

/* A stream's window is not given back. */
int __real_nghttp2_session_consume_stream(nghttp2_session *h2, int32_t stream_id, size_t bytes);
int __wrap_nghttp2_session_consume_stream(nghttp2_session *h2, int32_t stream_id, size_t bytes);

int __wrap_nghttp2_session_consume_stream(nghttp2_session *h2, int32_t stream_id, size_t bytes)
{
    return strikes(20) ? 0 : __real_nghttp2_session_consume_stream(h2, stream_id, bytes);
}

#elif VQL_CANARY == 8

/* A deleted user's cache stays. */
void __real_residents_drop(residents *r, uint64_t user_id);
void __wrap_residents_drop(residents *r, uint64_t user_id);

void __wrap_residents_drop(residents *r, uint64_t user_id)
{
    if (!strikes(5))
        __real_residents_drop(r, user_id);
}

#elif VQL_CANARY == 9

/* Memory is not freed. */
void __real_byte_queue_clear(byte_queue *q);
void __wrap_byte_queue_clear(byte_queue *q);

void __wrap_byte_queue_clear(byte_queue *q)
{
    if (q->block && strikes(100))
        memset(q, 0, sizeof *q);
    __real_byte_queue_clear(q);
}

#endif

#include "router_rig.h"

#include <stdlib.h>

static const session_options ordinary = {
    .max_streams = 100,
    .max_header_bytes = 16384,
    .stream_window = 65535,
    .connection_window = 65535,
    .max_message_bytes = 1 << 16,
    .max_unsent_bytes = 1 << 16,
};

static void count_wake(peer *p)
{
    ((router_rig *)p)->wakes++;
}

void router_rig_start(router_rig *rig, const session_options *options)
{
    rig->peer = (peer){.router = &rig->router, .wake = count_wake};
    rig->wakes = 0;
    rig->session = session_new(options ? options : &ordinary, &router_handler, &rig->peer);
    rig->client = h2_client_new(&H2_CLIENT_OPTIONS);
    if (!rig->session)
        abort();
}

void router_rig_stop(router_rig *rig)
{
    session_free(rig->session);
    h2_client_free(rig->client);
}

void router_rig_run(router_rig *rig)
{
    uint8_t bytes[16384];
    for (size_t up = 1, down = 1; up + down > 0;) {
        up = h2_client_drain(rig->client, bytes, sizeof bytes);
        if (up > 0 && !session_feed(rig->session, 0, bytes, up))
            abort();
        down = session_drain(rig->session, bytes, sizeof bytes);
        if (down > 0 && !h2_client_feed(rig->client, bytes, down))
            abort();
    }
}

int32_t router_rig_ask(router_rig *rig, const char *path, const void *message, size_t bytes)
{
    const int32_t id = h2_client_call(rig->client, path, NULL);
    h2_client_message(rig->client, id, message, bytes, true);
    router_rig_run(rig);
    return id;
}

int router_rig_status(const router_rig *rig, int32_t stream_id)
{
    const h2_answer *answer = h2_client_answer(rig->client, stream_id);
    return answer->ended ? h2_answer_status(answer) : -1;
}

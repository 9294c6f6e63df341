#include "lifetime.h"

void lifetime_init(lifetime *l, const lifetime_options *options)
{
    *l = (lifetime){.options = *options, .age_ns = UINT64_MAX, .peer_ns = UINT64_MAX};
    l->begun = options->max_age_ns == 0 && options->keepalive_ns == 0;
}

static uint64_t after(uint64_t now_ns, uint64_t wait_ns)
{
    return wait_ns == 0 || wait_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + wait_ns;
}

void lifetime_heard(lifetime *l, uint64_t now_ns)
{
    l->pinged = false;
    l->peer_ns = after(now_ns, l->options.keepalive_ns);
}

lifetime_event lifetime_tick(lifetime *l, uint64_t now_ns)
{
    if (!l->begun) {
        l->begun = true;
        l->age_ns = after(now_ns, l->options.max_age_ns);
        lifetime_heard(l, now_ns);
    }
    if (now_ns >= l->age_ns) {
        const bool was_old = l->old;
        l->old = true;
        l->age_ns = was_old ? UINT64_MAX : after(now_ns, l->options.max_age_grace_ns);
        return was_old ? LIFETIME_END : LIFETIME_SHUTDOWN;
    }
    if (now_ns >= l->peer_ns) {
        const bool was_pinged = l->pinged;
        l->pinged = true;
        l->peer_ns = was_pinged ? UINT64_MAX : after(now_ns, l->options.keepalive_timeout_ns);
        return was_pinged ? LIFETIME_END : LIFETIME_PING;
    }
    return LIFETIME_NOTHING;
}

uint64_t lifetime_due(const lifetime *l)
{
    if (!l->begun)
        return 0;
    return l->age_ns < l->peer_ns ? l->age_ns : l->peer_ns;
}

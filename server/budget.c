#include "budget.h"

#include <nghttp2/nghttp2.h>

void budget_init(budget *b, uint64_t most_ns)
{
    *b = (budget){.most_ns = most_ns, .left_ns = most_ns};
}

void budget_earn(budget *b, uint64_t ns)
{
    b->left_ns = ns < b->most_ns - b->left_ns ? b->left_ns + ns : b->most_ns;
}

bool budget_pay(budget *b, uint64_t cost_ns, uint64_t now_ns)
{
    if (b->most_ns == 0 || cost_ns == 0)
        return true;
    if (now_ns > b->now_ns) {
        budget_earn(b, (now_ns - b->now_ns) / BUDGET_PART);
        b->now_ns = now_ns;
    }
    if (cost_ns > b->left_ns)
        return false;
    b->left_ns -= cost_ns;
    return true;
}

uint64_t budget_frame_ns(const uint8_t header[9])
{
    const uint32_t length = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2];
    const uint8_t flags = header[4];
    switch (header[3]) {
    case NGHTTP2_DATA:
        if (length > 0 && !(flags & NGHTTP2_FLAG_PADDED))
            return 0;
        return flags & NGHTTP2_FLAG_END_STREAM ? 0 : BUDGET_CONTROL_NS;
    case NGHTTP2_HEADERS:
        return BUDGET_CALL_NS;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_GOAWAY:
        return BUDGET_SETTINGS_NS;
    case NGHTTP2_PING:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_RST_STREAM:
        return BUDGET_CONTROL_NS;
    default:
        return BUDGET_LITTLE_NS;
    }
}

/*
 * CLOCK-Pro (Jiang, Chen, Zhang: "CLOCK-Pro: an effective improvement of the CLOCK replacement",
 * USENIX ATC 2005). One clock of pages in the order in which they came to its head:
 *
 *     hot    held; those asked for again soon after they were asked for before
 *     cold   held, or only remembered; since it came, in its test: asked for again before a hot
 *            page's time is over, it becomes hot itself
 *
 * Three hands go from old to new. The cold hand frees room: it takes the next cold page that was
 * not asked for. The hot hand makes the next hot page cold that was not asked for, and ends the
 * tests of the cold pages on its way. The test hand ends tests when more pages are remembered than
 * held. A test passed makes the room for cold pages one larger, a test failed one smaller.
 */
#include <stdlib.h>

#include "policy.h"

typedef enum status {
    STATUS_NONE,
    STATUS_HOT,
    STATUS_COLD,
    STATUS_REMEMBERED, /* cold, not held, in its test */
} status;

typedef struct page {
    uint8_t status;
    bool asked;   /* for, since a hand last looked */
    bool in_test; /* of a cold page */
} page;

/*
 * The hot hand stands at the clock's oldest page, and passes a page by moving it to the newest's
 * end, which is the clock's head behind the hand: the circle is the same.
 *
 * Pages that are held and cold came to the head, or became cold there, behind the hot hand, and the
 * cold hand leaves none of them behind: what it meets next is the oldest of a queue of them, which
 * spares it the way past the hot ones. One thing differs from the circle: when the cold hand has
 * caught up with the hot one, what the hot hand makes cold then comes behind pages that came since,
 * not before them.
 */
typedef struct clockpro {
    key_links clock_links, cold_links;
    key_queue clock, cold;
    uint32_t test_hand; /* EVICTION_NONE: where the hot hand is */
    uint32_t capacity, cold_target;
    uint32_t counts[STATUS_REMEMBERED + 1];
    page *pages; /* [keys] */
} clockpro;

static void *clockpro_open(uint32_t keys, uint32_t capacity)
{
    clockpro *made = eviction_zeros(1, sizeof *made);
    made->clock_links = key_links_new(keys);
    made->cold_links = key_links_new(keys);
    made->clock = (key_queue){&made->clock_links, EVICTION_NONE, EVICTION_NONE, 0};
    made->cold = (key_queue){&made->cold_links, EVICTION_NONE, EVICTION_NONE, 0};
    made->test_hand = EVICTION_NONE;
    made->capacity = capacity;
    made->cold_target = 1;
    made->counts[STATUS_NONE] = keys;
    made->pages = eviction_zeros(keys, sizeof *made->pages);
    return made;
}

static void set_status(clockpro *of, uint32_t key, status to)
{
    page *at = &of->pages[key];
    if (at->status == STATUS_COLD)
        key_queue_unlink(&of->cold, key);
    if (to == STATUS_COLD)
        key_queue_push(&of->cold, key);
    of->counts[at->status]--;
    of->counts[to]++;
    at->status = (uint8_t)to;
}

/* Takes a page out of the clock; the test hand, if it stands there, goes on. */
static void take_out(clockpro *of, uint32_t key)
{
    if (of->test_hand == key)
        of->test_hand = of->clock_links.newer[key];
    key_queue_unlink(&of->clock, key);
}

static void move_to_head(clockpro *of, uint32_t key)
{
    take_out(of, key);
    key_queue_push(&of->clock, key);
}

/* The hot hand goes past the oldest page; the test hand, if it stands there, stays. */
static void pass_oldest(clockpro *of)
{
    const uint32_t key = of->clock.oldest;
    if (of->test_hand == EVICTION_NONE)
        of->test_hand = key;
    key_queue_unlink(&of->clock, key);
    key_queue_push(&of->clock, key);
}

static void pass_test(clockpro *of)
{
    if (of->cold_target < of->capacity)
        of->cold_target++;
}

/* Ends a cold page's test, which it failed unless it was asked for. */
static void end_test(clockpro *of, uint32_t key)
{
    page *cold = &of->pages[key];
    if (cold->in_test && !cold->asked && of->cold_target > 1)
        of->cold_target--;
    cold->in_test = false;
    if (cold->status == STATUS_REMEMBERED) {
        take_out(of, key);
        set_status(of, key, STATUS_NONE);
    }
}

/* Makes hot pages cold until there are no more than there is room for. */
static void run_hot_hand(clockpro *of)
{
    for (;;) {
        const uint32_t key = of->clock.oldest;
        page *at = &of->pages[key];
        const bool too_many = of->counts[STATUS_HOT] > of->capacity - of->cold_target;
        if (at->status == STATUS_HOT) {
            if (!too_many)
                return;
            if (!at->asked)
                set_status(of, key, STATUS_COLD);
            at->asked = false;
            pass_oldest(of);
            continue;
        }
        if (of->counts[STATUS_HOT] == 0)
            return;
        const bool held = at->status == STATUS_COLD;
        end_test(of, key);
        if (held)
            pass_oldest(of);
    }
}

static void make_hot(clockpro *of, uint32_t key)
{
    set_status(of, key, STATUS_HOT);
    of->pages[key].asked = false;
    of->pages[key].in_test = false;
    move_to_head(of, key);
    pass_test(of);
    run_hot_hand(of);
}

static void run_test_hand(clockpro *of)
{
    while (of->counts[STATUS_REMEMBERED] > of->capacity) {
        const uint32_t key = of->test_hand != EVICTION_NONE ? of->test_hand : of->clock.oldest;
        of->test_hand = of->clock_links.newer[key];
        if (of->pages[key].status != STATUS_HOT)
            end_test(of, key);
    }
}

/* A cold page that was not asked for leaves; a test goes on without it being held. */
static void drop_cold(clockpro *of, uint32_t key)
{
    if (of->pages[key].in_test) {
        set_status(of, key, STATUS_REMEMBERED);
        run_test_hand(of);
    } else {
        take_out(of, key);
        set_status(of, key, STATUS_NONE);
    }
}

/* Frees one page's room. */
static void run_cold_hand(clockpro *of)
{
    for (;;) {
        const uint32_t key = of->cold.oldest;
        page *at = &of->pages[key];
        if (!at->asked) {
            drop_cold(of, key);
            return;
        }
        if (at->in_test) {
            make_hot(of, key);
        } else {
            at->asked = false;
            at->in_test = true;
            set_status(of, key, STATUS_COLD);
            move_to_head(of, key);
        }
    }
}

static bool clockpro_access(void *state, uint32_t key)
{
    clockpro *of = state;
    page *at = &of->pages[key];
    if (at->status == STATUS_HOT || at->status == STATUS_COLD) {
        at->asked = true;
        return true;
    }
    if (of->counts[STATUS_HOT] + of->counts[STATUS_COLD] == of->capacity)
        run_cold_hand(of);
    if (at->status == STATUS_REMEMBERED) {
        make_hot(of, key);
        return false;
    }
    set_status(of, key, STATUS_COLD);
    at->asked = false;
    at->in_test = true;
    key_queue_push(&of->clock, key);
    return false;
}

static void clockpro_close(void *state)
{
    clockpro *of = state;
    key_links_free(&of->clock_links);
    key_links_free(&of->cold_links);
    free(of->pages);
    free(of);
}

const eviction_policy eviction_clockpro = {"CLOCK-Pro", clockpro_open, clockpro_access,
                                           clockpro_close};

/*
 * Item id -> row, at sizes about powers of two and with ids that follow a pattern.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "check_main.h"
#include "item_table.h"
#include "random.h"

typedef struct table {
    uint32_t rows;
    uint64_t *ids;
    uint64_t mask;
    uint32_t *slots;
} table;

/* A table of rows 1 … rows - 1 under ids that the caller sets before table_fill. */
static table table_make(uint32_t rows)
{
    table t = {.rows = rows, .mask = vql_item_table_mask(rows)};
    t.ids = calloc(rows, sizeof *t.ids);
    t.slots = calloc(t.mask + 1, sizeof *t.slots);
    return t;
}

static void table_fill(table *t)
{
    for (uint32_t row = 1; row < t->rows; row++)
        if (vql_item_table_put(t->slots, t->mask, t->ids, row) != row)
            ck_abort_msg("row %u of %u was taken for another", row, t->rows);
}

static uint32_t table_get(const table *t, uint64_t id)
{
    return vql_item_table_get(t->slots, t->mask, t->ids, id);
}

static void table_free(table *t)
{
    free(t->slots);
    free(t->ids);
}

/* At least half of the slots stay empty, and no more than three quarters without need. */
START_TEST(test_mask)
{
    const uint32_t sizes[] = {1, 2, 3, 4, 5, 1000, 1024, 1025, UINT32_C(1) << 30};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const uint64_t slots = vql_item_table_mask(sizes[i]) + 1;
        ck_assert_uint_eq(slots & (slots - 1), 0);
        ck_assert_uint_ge(slots, 2 * (uint64_t)sizes[i]);
        ck_assert_uint_lt(slots, 4 * (uint64_t)sizes[i] + 1);
    }
}
END_TEST

START_TEST(test_every_size)
{
    for (uint32_t rows = 1; rows < 140; rows++) {
        random_stream random = {rows};
        table t = table_make(rows);
        for (uint32_t row = 1; row < rows; row++)
            t.ids[row] = random_u64(&random);
        table_fill(&t);
        for (uint32_t row = 1; row < rows; row++)
            ck_assert_uint_eq(table_get(&t, t.ids[row]), row);
        ck_assert_uint_eq(table_get(&t, random_u64(&random)), 0);
        table_free(&t);
    }
}
END_TEST

/* Ids that follow one another, or differ in their high bits alone; 0 and the largest among them. */
START_TEST(test_patterns)
{
    for (unsigned shift = 0; shift <= 48; shift += 16) {
        table t = table_make(50000);
        for (uint32_t row = 1; row < t.rows; row++)
            t.ids[row] = (uint64_t)row << shift;
        t.ids[1] = 0;
        t.ids[2] = UINT64_MAX;
        table_fill(&t);
        for (uint32_t row = 1; row < t.rows; row++)
            if (table_get(&t, t.ids[row]) != row)
                ck_abort_msg("row %u at shift %u", row, shift);
        ck_assert_uint_eq(table_get(&t, 12345678901u), 0);
        table_free(&t);
    }
}
END_TEST

/* Many at once, of which every third is unknown, are found as one by one. */
START_TEST(test_find)
{
    enum { MOST = 1000 };
    random_stream random = {1};
    table t = table_make(MOST);
    uint64_t wanted[MOST];
    uint32_t rows[MOST];
    for (uint32_t row = 1; row < t.rows; row++)
        t.ids[row] = random_below(&random, 2) == 0 ? random_u64(&random) : row;
    table_fill(&t);
    for (size_t count = 0; count <= MOST; count += 37) {
        size_t unknown = 0;
        for (size_t n = 0; n < count; n++) {
            const uint32_t row = 1 + random_below(&random, MOST - 1);
            wanted[n] = n % 3 == 2 ? random_u64(&random) : t.ids[row];
            unknown += table_get(&t, wanted[n]) == 0;
        }
        ck_assert_uint_eq(vql_item_table_find(t.slots, t.mask, t.ids, wanted, count, rows),
                          unknown);
        for (size_t n = 0; n < count; n++)
            ck_assert_uint_eq(rows[n], table_get(&t, wanted[n]));
    }
    table_free(&t);
}
END_TEST

START_TEST(test_duplicate)
{
    table t = table_make(10);
    for (uint32_t row = 1; row < t.rows; row++)
        t.ids[row] = 100 + row;
    table_fill(&t);
    t.ids[9] = 103;
    ck_assert_uint_eq(vql_item_table_put(t.slots, t.mask, t.ids, 9), 3);
    ck_assert_uint_eq(table_get(&t, 103), 3);
    table_free(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("item_table");
    TCase *tcase = tcase_create("item_table");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_mask);
    tcase_add_test(tcase, test_every_size);
    tcase_add_test(tcase, test_patterns);
    tcase_add_test(tcase, test_find);
    tcase_add_test(tcase, test_duplicate);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}

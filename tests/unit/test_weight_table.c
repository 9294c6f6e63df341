/*
 * Which items have a row in the table of e^ŝ: as many as the budget holds, the hottest first, and
 * none whose weights a float would lose. test_catalog.c has what the rows say.
 */
#include <check.h>
#include <string.h>

#include "catalog_data.h"
#include "catalog_fixture.h"
#include "check_main.h"

enum {
    ITEMS = 23,
    /* Four heads of a cache line each, and one more for an odd number of lines. */
    ROW_BYTES = 5 * 64,
};

START_TEST(test_budget)
{
    const model_spec spec = model_spec_default(11);
    for (uint32_t items = 0; items <= ITEMS; items += items < 2 ? 1 : 7) {
        catalog_fixture with = fixture_from_spec(&spec, (items + 1) * ROW_BYTES - 1);
        catalog_fixture without = fixture_from_spec(&spec, NO_TABLE);
        ck_assert_uint_eq(vql_catalog_table_items(with.catalog), items);
        for (uint32_t row = 0; row < ITEMS; row++) {
            const void *weights = vql_weight_table_row(&with.catalog->tables->table, row);
            ck_assert_int_eq(weights != NULL, row < items);
            ck_assert_uint_eq((uintptr_t)weights % VQL_LINE, 0);
        }
        const size_t bytes = vql_catalog_bytes(with.catalog) - vql_catalog_bytes(without.catalog);
        ck_assert_uint_ge(bytes, items * (size_t)ROW_BYTES);
        ck_assert_uint_le(bytes, items * (size_t)ROW_BYTES + VQL_LINE);
        fixture_free(&without);
        fixture_free(&with);
    }
}
END_TEST

/* The hottest items have rows, the hottest first; of equal ones the lower row. */
START_TEST(test_hottest)
{
    const model_spec spec = model_spec_default(11);
    catalog_fixture fixture = fixture_from_spec(&spec, NO_TABLE);
    vql_catalog_free(fixture.catalog);
    float hotness[ITEMS] = {0.0F};
    hotness[20] = 3.0F;
    hotness[9] = 5.0F;
    hotness[22] = -1.0F;
    const vql_catalog_options options = {
        .table_bytes = 4 * ROW_BYTES, .format = VQL_SCORING_F32, .hotness = hotness};
    ck_assert_int_eq(vql_catalog_create(fixture.model, &options, &fixture.catalog, NULL), VQL_OK);
    const uint32_t order[] = {9, 20, 0, 1};
    const vql_weight_table *table = &fixture.catalog->tables->table;
    ck_assert_uint_eq(vql_catalog_table_items(fixture.catalog), 4);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        ck_assert_ptr_eq(vql_weight_table_row(table, order[i]), table->rows + i * ROW_BYTES);
    ck_assert_ptr_null(vql_weight_table_row(table, 2));
    ck_assert_ptr_null(vql_weight_table_row(table, 22));
    fixture_free(&fixture);
}
END_TEST

/* An item of which some e^{ŝ - max} would be lost in a float has no row; the others keep theirs. */
START_TEST(test_far_logits)
{
    const model_spec spec = model_spec_default(12);
    model_writer *writer = model_writer_new(&spec);
    float *query = model_writer_floats(writer, "attention.query.weight");
    const size_t count = model_writer_elements(writer, "attention.query.weight");
    memset(query, 0, count * sizeof *query);
    query[9 * (count / 12)] = 1.0F; /* q of head 3 is along its first axis or, for no x, zero */
    for (uint32_t row = 0; row < ITEMS; row++)
        model_writer_floats(writer, "item.embedding")[row * 5] = row == 4 ? 1.0F : 0.0F;
    model_writer_floats(writer, "codebook.1")[3 * 6 + 3] = 60.0F;
    catalog_fixture fixture = fixture_from_model(model_writer_parse(writer), ANY_TABLE);
    ck_assert_uint_eq(vql_catalog_table_items(fixture.catalog), ITEMS - 1);
    for (uint32_t row = 0; row < ITEMS; row++)
        ck_assert_int_eq(vql_weight_table_row(&fixture.catalog->tables->table, row) == NULL,
                         row == 4);
    fixture_free(&fixture);
    model_writer_free(writer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weight_table");
    TCase *tcase = tcase_create("weight_table");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_budget);
    tcase_add_test(tcase, test_hottest);
    tcase_add_test(tcase, test_far_logits);
    suite_add_tcase(suite, tcase);
    return check_main(suite);
}

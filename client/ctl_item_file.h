/*
 * A file of items: tab-separated, a line each; the first line names the columns.
 *
 *   item_id  embedding      brand  tags
 *   17       0.5,-1,2.25    3      4,9
 *   18                      -      12
 *
 * item_id has to be there. embedding has numbers with commas between them; every other column is a
 * field of the model by that name, with indices of its values. An empty one is left as it is, and
 * "-" is a field that has no values.
 */
#ifndef VQL_CLIENT_CTL_ITEM_FILE_H
#define VQL_CLIENT_CTL_ITEM_FILE_H

#include "tsv.h"
#include "vql/v1/models.pb-c.h"

typedef struct item_file item_file;

/* "-" is standard input. NULL: no memory. */
item_file *item_file_open(const char *path);
void item_file_close(item_file *f);

/* What is read from, for lines and errors. */
const tsv *item_file_tsv(const item_file *f);

/*
 * Reads the next item, which the caller frees by vql__v1__item__free_unpacked; *item is NULL when
 * there is no memory.
 */
tsv_result item_file_read(item_file *f, Vql__V1__Item **item);

#endif

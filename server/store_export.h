/*
 * Writes all users' events as tab-separated values, as vqlctl import reads them.
 */
#ifndef VQL_SERVER_STORE_EXPORT_H
#define VQL_SERVER_STORE_EXPORT_H

#include <stdbool.h>

#include "database.h"

/* path: "-" for standard output. False: logged. */
bool store_export(database *d, const char *path);

#endif

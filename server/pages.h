/*
 * The pages for a browser, /live and /users, with the style and programs that they ask for: files
 * of server/pages/, which the program carries. What they show comes from /metrics and /api/user.
 */
#ifndef VQL_SERVER_PAGES_H
#define VQL_SERVER_PAGES_H

#include "admin.h"

enum { PAGES = 8 };

/* Writes the pages to out. */
void pages_write(admin_page out[PAGES]);

#endif

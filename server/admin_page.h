/*
 * The live page, as it is sent. Made from admin_page.html by the build.
 */
#ifndef SERVER_ADMIN_PAGE_H
#define SERVER_ADMIN_PAGE_H

#include <stddef.h>

extern const char admin_page[];
extern const size_t admin_page_length;

#endif

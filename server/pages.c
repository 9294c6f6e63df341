#include "pages.h"

#include "page_icon_svg.h"
#include "page_live_html.h"
#include "page_live_js.h"
#include "page_page_js.h"
#include "page_style_css.h"
#include "page_users_html.h"
#include "page_users_js.h"

typedef struct file {
    const char *path;
    const char *type;
    const unsigned char *bytes;
    size_t count;
} file;

static const char css[] = "text/css; charset=utf-8";
static const char javascript[] = "text/javascript; charset=utf-8";
static const char svg[] = "image/svg+xml";

/* Not const, for they are pages' contexts. */
static file files[PAGES] = {
    {"/", admin_html, page_live_html, sizeof page_live_html},
    {"/live", admin_html, page_live_html, sizeof page_live_html},
    {"/users", admin_html, page_users_html, sizeof page_users_html},
    {"/style.css", css, page_style_css, sizeof page_style_css},
    {"/page.js", javascript, page_page_js, sizeof page_page_js},
    {"/live.js", javascript, page_live_js, sizeof page_live_js},
    {"/users.js", javascript, page_users_js, sizeof page_users_js},
    {"/icon.svg", svg, page_icon_svg, sizeof page_icon_svg},
};

static void show(void *context, const admin_request *asked, admin_answer *answer)
{
    (void)asked;
    const file *shown = context;
    answer->type = shown->type;
    (void)fwrite(shown->bytes, 1, shown->count, answer->body);
}

void pages_write(admin_page out[PAGES])
{
    for (size_t i = 0; i < PAGES; i++)
        out[i] = (admin_page){files[i].path, show, &files[i]};
}

#include "harness/util.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void complain(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void *must_realloc(void *p, size_t bytes)
{
	void *q = realloc(p, bytes ? bytes : 1);

	if (!q) {
		complain("out of memory");
		exit(EXIT_FAIL);
	}
	return q;
}

char *must_strdup(const char *s)
{
	size_t len = strlen(s) + 1;

	return memcpy(must_realloc(NULL, len), s, len);
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	for (;;) {
		size_t room = t->cap - t->len;

		va_start(ap, fmt);
		n = vsnprintf(t->s ? t->s + t->len : NULL, room, fmt, ap);
		va_end(ap);
		if (n < 0)
			return;
		if ((size_t)n < room)
			break;
		t->cap = (t->cap + (size_t)n + 64) * 2;
		t->s = must_realloc(t->s, t->cap);
	}
	t->len += (size_t)n;
}

void text_free(struct text *t)
{
	free(t->s);
	*t = (struct text){0};
}

const char *root_dir(void)
{
	static char root[PATH_MAX];
	const char *env = getenv("TMBENCH_ROOT");
	ssize_t n;
	int up;

	if (root[0])
		return root;
	if (env && env[0]) {
		snprintf(root, sizeof(root), "%s", env);
		return root;
	}
	n = readlink("/proc/self/exe", root, sizeof(root) - 1);
	root[n > 0 ? n : 0] = '\0';
	for (up = 0; up < 3; up++) {
		char *slash = strrchr(root, '/');

		if (slash)
			*slash = '\0';
	}
	if (!root[0])
		strcpy(root, ".");
	return root;
}

void root_path(char *out, const char *path)
{
	if (path[0] == '/')
		snprintf(out, PATH_LEN, "%s", path);
	else
		snprintf(out, PATH_LEN, "%s/%s", root_dir(), path);
}

int make_dirs(const char *path)
{
	char buf[PATH_LEN];
	char *p;

	if (snprintf(buf, sizeof(buf), "%s", path) >= (int)sizeof(buf))
		return -ENAMETOOLONG;
	for (p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(buf, 0777) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(buf, 0777) && errno != EEXIST)
		return -errno;
	return 0;
}

char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	size_t used = 0, cap = 0, n;

	if (!f)
		return NULL;
	do {
		if (cap - used < 65536) {
			cap = cap * 2 + 131072;
			data = must_realloc(data, cap);
		}
		n = fread(data + used, 1, cap - used - 1, f);
		used += n;
	} while (n > 0);
	if (ferror(f)) {
		free(data);
		fclose(f);
		errno = EIO;
		return NULL;
	}
	fclose(f);
	data[used] = '\0';
	if (len)
		*len = used;
	return data;
}

int write_file(const char *path, const void *data, size_t len, unsigned mode)
{
	FILE *f = fopen(path, "wb");
	int err = 0;

	if (!f)
		return -errno;
	if (fwrite(data, 1, len, f) != len)
		err = -(errno ? errno : EIO);
	if (fclose(f) && !err)
		err = -errno;
	if (!err && chmod(path, mode))
		err = -errno;
	return err;
}

int parse_size(const char *s, int64_t *bytes)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(s, &end);
	if (end == s || errno || !(v >= 0) || v > 9e18)
		return -EINVAL;
	switch (*end) {
	case 'T':
	case 't':
		v *= 1024; /* fall through */
	case 'G':
	case 'g':
		v *= 1024; /* fall through */
	case 'M':
	case 'm':
		v *= 1024; /* fall through */
	case 'K':
	case 'k':
		v *= 1024;
		end++;
	}
	if (*end || v > 9e18)
		return -EINVAL;
	*bytes = (int64_t)v;
	return 0;
}

void format_size(char *out, double bytes)
{
	static const char *unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;

	while (bytes >= 1024 && u + 1 < COUNT(unit)) {
		bytes /= 1024;
		u++;
	}
	snprintf(out, 24, "%.*f %s", u > 0 && bytes < 99.95 && bytes != (int64_t)bytes ? 1 : 0, bytes,
		 unit[u]);
}

void format_count(char *out, double value)
{
	char digits[32];
	size_t len, i, o = 0;

	snprintf(digits, sizeof(digits), "%.0f", value);
	len = strlen(digits);
	for (i = 0; i < len && o < 30; i++) {
		out[o++] = digits[i];
		if (digits[i] != '-' && i + 1 < len && (len - i - 1) % 3 == 0 && o < 30)
			out[o++] = ',';
	}
	out[o] = '\0';
}

double now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void utc_now(char *out)
{
	time_t t = time(NULL);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

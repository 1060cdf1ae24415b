/*
 * The commit to compare with where the reference does not hold: the last commit when the tree has changes that are not
 * committed, else the one before. Its files come from `git archive`, which leaves nothing behind in the repository, and are
 * built with this tree's guest image, so that only the sources differ.
 */
#include "harness/gate.h"
#include "harness/proc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Unpack $2 of repository $1 into $3, unless it is there already, and build it with the guest image of $1. */
static const char script[] = "set -e\n"
			     "unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL BUILD TMBENCH_ROOT\n"
			     "if [ \"$(cat \"$3/.revision\" 2>/dev/null)\" != \"$2\" ]; then\n"
			     "\trm -rf \"$3\"\n"
			     "\tmkdir -p \"$3/build\"\n"
			     "\tgit -C \"$1\" archive \"$2\" | tar -x -C \"$3\"\n"
			     "\tln -s \"$1/build/guest\" \"$3/build/guest\"\n"
			     "\techo \"$2\" >\"$3/.revision\"\n"
			     "fi\n"
			     "exec make -C \"$3\" -j \"$4\" all\n";

int gate_parent(char *tree, char rev[64])
{
	char root[PATH_LEN], log[PATH_LEN], jobs[16], ask[32];
	char *argv[] = {"git", "-C", root, "rev-parse", "--verify", "--quiet", ask, NULL};
	char *build[] = {"sh", "-c", (char *)script, "sh", root, rev, tree, jobs, NULL};
	struct spawn child = {.argv = build, .out = log, .err = log, .cpu = -1};
	int dirty = gate_dirty(), code;

	snprintf(root, sizeof(root), "%s", root_dir());
	root_path(tree, "build/gate/parent");
	root_path(log, "build/gate/parent.log");
	snprintf(ask, sizeof(ask), "%s^{commit}", dirty == 1 ? "HEAD" : "HEAD~1");
	if (dirty < 0 || proc_capture(argv, rev, 64) != 0 || !rev[0]) {
		complain("there is no commit to compare with (%s); in a shallow clone `git fetch --deepen=1` "
			 "brings it",
			 dirty < 0 ? "no git repository" : "no parent");
		return EXIT_FAIL;
	}
	rev[strcspn(rev, "\n")] = '\0';
	snprintf(jobs, sizeof(jobs), "%d", proc_cpus());
	code = proc_run(&child);
	if (code == EXIT_SIGNAL)
		return code;
	if (code) {
		complain("the commit to compare with, %.12s, cannot be built: see %s", rev, log);
		return EXIT_FAIL;
	}
	return 0;
}

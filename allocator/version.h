// The version, and how it can be found in a binary: behind these characters (what(1)'s).
#ifndef TIERMEM_VERSION_H
#define TIERMEM_VERSION_H

#define TIERMEM_VERSION "0.1.0"
#define TIERMEM_MARK	"@(#)tiermem "

#endif

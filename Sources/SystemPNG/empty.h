/* Only carries the compiler and linker flags of the system's library; the shims include its headers. */

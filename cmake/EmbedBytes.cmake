# cmake -DNAME=… -DINPUT=… -DOUTPUT=… -P EmbedBytes.cmake: a file's bytes as an array of a C header.

file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE "${OUTPUT}" "/* Generated from the file or files of ${NAME}. */\n"
    "static const unsigned char ${NAME}[] = {${bytes}};\n")

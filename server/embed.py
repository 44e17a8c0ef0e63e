"""Make a C file that holds a text file: embed.py IN OUT NAME."""
import sys

source, target, name = sys.argv[1:]
with open(source, "rb") as file:
    data = file.read()
with open(target, "w", encoding="ascii") as file:
    file.write('#include "%s.h"\n\nconst char %s[] = {\n' % (name, name))
    for i in range(0, len(data), 16):
        file.write(" ".join("%d," % (byte if byte < 128 else byte - 256) for byte in data[i:i + 16]) + "\n")
    file.write("};\n\nconst size_t %s_length = sizeof %s;\n" % (name, name))

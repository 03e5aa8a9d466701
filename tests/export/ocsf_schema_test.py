#!/usr/bin/env python3
"""usage: ocsf_schema_test.py COMMAND...: validates the OCSF JSON lines that it prints (ocsf_samples,
or `cat FILE`) against the compiled OCSF 1.8.0 schema in $CAIRN_SHARED/ocsf: classes, required and
unknown attributes, types, enums, constraints."""
import gzip
import json
import os
import subprocess
import sys

shared = os.environ.get('CAIRN_SHARED', os.path.join(os.path.dirname(__file__), '../../../shared'))
path = os.path.join(shared, 'ocsf', 'schema-1.8.0.json.gz')
if not os.path.exists(path):
    print('SKIPPED: no compiled OCSF schema at', path)
    sys.exit(77)
schema = json.load(gzip.open(path))
types = schema['dictionary']['types']['attributes']
by_uid = {c['uid']: c for c in schema['classes'].values()}
wrong = []


def base_type(name):
    while name in types and 'type' in types[name] and types[name]['type'] != name:
        name = types[name]['type']
    return name


def check_value(at, attribute, value):
    if attribute.get('is_array'):
        if not isinstance(value, list):
            return wrong.append(f'{at}: not a list')
        for i, item in enumerate(value):
            check_value(f'{at}[{i}]', {**attribute, 'is_array': False}, item)
        return
    kind = attribute['type']
    if kind == 'object_t':
        if not isinstance(value, dict):
            return wrong.append(f'{at}: not an object')
        return check_object(at, schema['objects'][attribute['object_type']], value)
    if kind == 'json_t':
        return
    known = {'string_t': str, 'integer_t': int, 'long_t': int, 'boolean_t': bool, 'float_t': (int, float)}
    want = known.get(base_type(kind), known.get(kind))
    if want and (not isinstance(value, want) or (want is int and isinstance(value, bool))):
        wrong.append(f'{at}: {value!r} is no {kind}')
    if 'enum' in attribute and str(value) not in attribute['enum']:
        wrong.append(f'{at}: {value!r} is not one of {sorted(attribute["enum"])}')


def profiles_of(attribute):
    """The profiles that an attribute comes with; none: it is always there."""
    return set(attribute.get('profiles') or []) | ({attribute['profile']} if attribute.get('profile') else set())


def check_object(at, definition, value, profiles=None):
    attributes = definition['attributes']
    if definition.get('name') == 'object':  # "unmapped" and the like: free
        return
    for name, item in value.items():
        if name not in attributes:
            wrong.append(f'{at}.{name}: unknown in OCSF 1.8.0')
            continue
        only_with = profiles_of(attributes[name])
        if profiles is not None and only_with and not only_with & profiles:
            wrong.append(f'{at}.{name}: only with profile {only_with}')
        check_value(f'{at}.{name}', attributes[name], item)
    for name, attribute in attributes.items():
        only_with = profiles_of(attribute)
        if only_with and (profiles is None or not only_with & profiles):
            continue
        if attribute.get('requirement') == 'required' and name not in value:
            wrong.append(f'{at}: {name} is missing')
    constraints = definition.get('constraints') or {}
    for word, count in (('at_least_one', lambda n: n >= 1), ('just_one', lambda n: n == 1)):
        if word in constraints and not count(sum(n in value for n in constraints[word])):
            wrong.append(f'{at}: {word} of {constraints[word]}')


def check_event(number, event):
    definition = by_uid.get(event.get('class_uid'))
    if definition is None:
        return wrong.append(f'line {number}: no class {event.get("class_uid")}')
    at = f'line {number} {definition["name"]} {event["metadata"]["event_code"]}'
    if event['type_uid'] != event['class_uid'] * 100 + event['activity_id']:
        wrong.append(f'{at}: type_uid')
    if event['category_uid'] != event['class_uid'] // 1000:
        wrong.append(f'{at}: category_uid')
    check_object(at, definition, event, set(event['metadata'].get('profiles', [])))


lines = subprocess.run(sys.argv[1:], capture_output=True, check=True, text=True).stdout.splitlines()
count, classes = 0, set()
for count, line in enumerate(lines, 1):
    event = json.loads(line)
    classes.add(event['class_uid'])
    assert '\x1b' not in line and '\u202e' not in json.dumps(event, ensure_ascii=False)
    check_event(count, event)
for text in wrong[:40]:
    print(text)
print(f'{count} events of {len(classes)} classes, {len(wrong)} faults')
sys.exit(1 if wrong or count < 50 else 0)

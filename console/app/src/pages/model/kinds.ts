// The three kinds of templates, and the routes that are alike for all of them.
import { keepPreviousData, useQuery, type QueryClient } from '@tanstack/react-query';
import { send, type Schemas } from '../../api/client';

export interface Kind {
  key: 'devices' | 'end-users' | 'organizations';
  label: string; // of the templates
  one: string; // what has such a template
  many: string;
  objects: string; // the list of what has them
  list: string; // name of that list in an answer
  templates: string; // name of the list of templates
  template: string; // name of one
  fields: string; // name of the list of custom fields
  templateId: string; // member that names the template
  own: { name: string; type: string; required?: boolean }[]; // fields that all have, for the preview of the form
}

export const kinds: Kind[] = [
  { key: 'devices', label: 'Devices', one: 'device', many: 'devices', objects: '/devices', list: 'devices', templates: 'deviceTemplates', template: 'deviceTemplate', fields: 'deviceFields', templateId: 'deviceTemplateId', own: [{ name: 'Serial number', type: 'string', required: true }, { name: 'Name', type: 'string' }] },
  { key: 'end-users', label: 'End users', one: 'end user', many: 'end users', objects: '/end-users', list: 'endUsers', templates: 'endUserTemplates', template: 'endUserTemplate', fields: 'endUserFields', templateId: 'endUserTemplateId', own: [{ name: 'Name', type: 'string' }, { name: 'E-mail address', type: 'string' }] },
  { key: 'organizations', label: 'Groups', one: 'group', many: 'groups', objects: '/groups', list: 'organizations', templates: 'organizationTemplates', template: 'organizationTemplate', fields: 'organizationFields', templateId: 'organizationTemplateId', own: [{ name: 'Name', type: 'string', required: true }] },
];

export const kindOf = (key: string | undefined): Kind => kinds.find((k) => k.key === key) ?? kinds[0];

export const pathOf = (k: Kind, what: 'templates' | 'custom-fields') => `/api/v1/${k.key}/${what}`;
export const channelsPath = '/api/v1/channels/templates';

export interface Template { id: string; name: string; default: string; version: string; authenticationMethod?: 'password' | 'certificate'; freeTopics?: string[]; keepPoints?: string | null; keepRollups?: string | null; channelTemplates?: Channel[] }
export type Channel = Schemas['ChannelTemplate'];
export interface Field { id: string; name: string; fieldType: 'string' | 'text' | 'number' | 'boolean' | 'datetime'; required: string; default: string | null; version: string }
export type Preview = Schemas['ChangePreview'];

type List<T> = Record<string, { results?: T[]; facets?: Record<string, { value: string; count: number }[]> }>;

const all = 'pageSize=1000&sortBy=name&sortOrder=asc';

export const useModelTemplates = (k: Kind) => useQuery({
  queryKey: ['model', k.key, 'templates'],
  queryFn: async () => (await send<List<Template>>('GET', `${pathOf(k, 'templates')}?${all}`))[k.templates].results ?? [],
});

// useCounts counts what has each template.
export const useCounts = (k: Kind) => useQuery({
  queryKey: ['model', k.key, 'counts'],
  queryFn: async () => {
    const facets = (await send<List<never>>('GET', `/api/v1/${k.key}?facets=${k.templateId}&results=false`))[k.list].facets?.[k.templateId] ?? [];
    return new Map(facets.map((f) => [f.value, f.count]));
  },
});

export const useFields = (k: Kind, template: string) => useQuery({
  queryKey: ['model', k.key, 'fields', template],
  queryFn: async () => (await send<List<Field>>('GET', `${pathOf(k, 'custom-fields')}?${all}&${k.templateId}=${template}`))[k.fields].results ?? [],
});

// preview asks what a change would do to what is there; nothing is kept.
export const preview = async (path: string, body: object, signal?: AbortSignal) => (await send<{ preview: Preview }>('POST', `${path}/preview`, body, { signal })).preview;

export const usePreview = (path: string, body: object | null) => useQuery({
  queryKey: ['model', 'preview', path, body],
  enabled: body !== null,
  queryFn: ({ signal }) => preview(path, body!, signal),
  placeholderData: keepPreviousData,
  retry: false,
  staleTime: 5_000,
});

// renewed has everything read again that shows templates.
export function renewed(client: QueryClient) {
  for (const key of ['model', 'device-templates', 'device-fields', 'templates', 'device']) void client.invalidateQueries({ queryKey: [key] });
}
